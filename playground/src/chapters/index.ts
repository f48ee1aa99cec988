/** @file The chapters, in the lecture's order. */
import type { Chapter } from '../lesson/chapter.js'
import { activations } from './activations.js'
import { batchSizes } from './batches.js'
import { fourSteps } from './four-steps.js'
import { learningRate } from './learning-rate.js'
import { losses } from './losses.js'
import { optimizers } from './optimizers.js'
import { overfitting, remedies } from './overfitting.js'

export const chapters: readonly Chapter[] = [
  fourSteps,
  losses,
  learningRate,
  batchSizes,
  activations,
  optimizers,
  overfitting,
  remedies,
]
