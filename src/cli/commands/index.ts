/**
 * @file The commands of gradus, in the order of its help. A new one is a file beside this one and a row here.
 */
import type { Verb } from '../verb.js'
import { evaluate } from './evaluate.js'
import { exportVerb } from './export.js'
import { inspect } from './inspect.js'
import { predict } from './predict.js'
import { profile } from './profile.js'
import { sweep } from './sweep.js'
import { train } from './train.js'
import { watch } from './watch.js'

export const verbs: readonly Verb[] = [train, sweep, evaluate, predict, inspect, exportVerb, profile, watch]
