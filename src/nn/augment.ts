/**
 * @file The namespace `augment`: layers that change images at random while a network is trained, and do nothing afterwards.
 */
export {
  type CropOptions,
  crop,
  type FillOption,
  type FlipOptions,
  flip,
  rotate,
  scale,
  shift,
} from './augment-geometry.js'
export { type Augmentation, compose } from './augment-layer.js'
export { type Mixup, type MixupOptions, mixup } from './augment-mixup.js'
export { brightness, type CutoutOptions, contrast, cutout, noise, type RangeOption } from './augment-pixels.js'
