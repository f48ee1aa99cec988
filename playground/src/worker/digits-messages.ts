/** @file What the page and the worker of the digits say to each other. */
import type { DigitNetwork, DigitProgress } from '../lesson/digits.js'

export type DigitRequest =
  | { readonly kind: 'start'; readonly network: DigitNetwork; readonly seed: number }
  | { readonly kind: 'play' }
  | { readonly kind: 'pause' }
  /** What the network says of an image of 28 × 28 bytes. */
  | { readonly kind: 'recognise'; readonly image: Uint8Array }
  /** An image that nothing is learned from. */
  | { readonly kind: 'sample' }

export type DigitAnswer =
  | { readonly kind: 'ready'; readonly images: number }
  | { readonly kind: 'progress'; readonly progress: DigitProgress; readonly samplesPerSecond: number }
  | { readonly kind: 'paused' }
  | { readonly kind: 'recognised'; readonly shares: readonly number[]; readonly image: Uint8Array }
  | { readonly kind: 'sampled'; readonly image: Uint8Array; readonly label: number }
  | { readonly kind: 'failed'; readonly message: string }
