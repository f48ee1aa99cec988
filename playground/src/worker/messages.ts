/** @file What the page and its worker say to each other. `id` names a training: 'a', and 'b' beside it. */
import type { Verdict } from '../lesson/chapter.js'
import type { PlaygroundData } from '../lesson/data.js'
import type { Settings } from '../lesson/settings.js'
import type { DescentSettings, Path, SurfaceName } from '../lesson/surface.js'
import type { Snapshot } from '../lesson/training.js'

export type TrainingId = 'a' | 'b'

/** Updates a second; 'full' is as many as there can be. */
export type Speed = 1 | 10 | 100 | 'full'

export type Request =
  | { readonly kind: 'start'; readonly id: TrainingId; readonly settings: Settings }
  | { readonly kind: 'stop'; readonly id: TrainingId }
  | { readonly kind: 'play'; readonly speed: Speed }
  | { readonly kind: 'pause' }
  | { readonly kind: 'step'; readonly updates: number | 'epoch' }
  | { readonly kind: 'rate'; readonly id: TrainingId; readonly learningRate: number }
  | {
      readonly kind: 'descend'
      readonly label: string
      readonly surface: SurfaceName
      readonly settings: DescentSettings
    }
  | { readonly kind: 'verify'; readonly chapter: string; readonly seed: number }

export type Answer =
  | { readonly kind: 'started'; readonly id: TrainingId; readonly data: PlaygroundData }
  | {
      readonly kind: 'snapshot'
      readonly id: TrainingId
      readonly snapshot: Snapshot
      readonly updatesPerSecond: number
    }
  /** No training goes on by itself any more. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'path'; readonly label: string; readonly path: Path }
  | { readonly kind: 'progress'; readonly chapter: string; readonly label: string; readonly epoch: number }
  | { readonly kind: 'verdict'; readonly chapter: string; readonly seed: number; readonly verdict: Verdict }
  | { readonly kind: 'failed'; readonly message: string }
