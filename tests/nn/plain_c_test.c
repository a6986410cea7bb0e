/* gander's library from C alone: a network learns to read digits. */
#include <stdio.h>

#include "nn.h"

enum { EPOCHS = 8, BATCH = 50 };

int main(void) {
  random_seed(1);
  Module *layer[] = {module_make("Flatten", NN_END), module_make("Linear", 784, 64, NN_END), module_make("ReLU", NN_END),
                     module_make("Linear", 64, 10, NN_END)};
  Module *net = module_sequential(4, layer);
  Optimizer *optim = optim_make("Adam", net, 1e-3);
  Dataset *seen = data_glyphs(4000, 1), *unseen = data_glyphs(1000, 2);
  Loader *data = loader_new(seen, BATCH, true, false), *test = loader_new(unseen, BATCH, false, false);
  Trainer *trainer =
      fit_trainer_new(&(FitOptions){.model = net, .loss = losses_find("CrossEntropyLoss"), .optim = optim, .data = data});

  while (trainer && trainer->report.epoch < EPOCHS && trainer_step(trainer))
    if (trainer->report.step % trainer->report.epoch_steps == 0)
      printf("epoch %ld: loss %.3f\n", trainer->report.epoch, trainer->report.value[0]);

  double loss = 0, accuracy = 0;
  if (!trainer || !fit_trainer_evaluate(trainer, test, &loss, &accuracy)) fprintf(stderr, "%s\n", nn_error());
  printf("reads %.1f%% of digits it has not seen\n", 100 * accuracy);

  trainer_drop(trainer);
  loader_drop(data), loader_drop(test);
  dataset_drop(seen), dataset_drop(unseen);
  optim_drop(optim);
  module_drop(net);
  for (int i = 0; i < 4; i++) module_drop(layer[i]);

  bool learned = accuracy > 0.9;
  printf("%d passed, %d failed\n", learned, !learned);
  return !learned;
}
