/**
 * @file A trained model that predicts rows as they come: preprocessing, network and names of classes together.
 * In: rows of a table, or arrays of numbers. Out: classes with probabilities, or numbers in the units of the table.
 * Needs no files: a browser makes one of what it fetched.
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import type { Samples } from '../data/column.js'
import type { ImageForm } from '../data/image-resize.js'
import { inputWidth, type Preprocessing, type Task } from '../data/preprocess-plan.js'
import { transform, transformRow } from '../data/preprocess-transform.js'
import type { Row, Table } from '../data/table.js'
import type { Explanation } from '../explain.js'
import { sigmoid, softmax } from '../nn/activations.js'
import { concatenate } from '../trace/functions.js'
import type { Tensor } from '../trace/tensor.js'
import type { NetworkConfig } from './network.js'
import { Predictor } from './predict.js'
import type { Net } from './types.js'

/** A class, and how likely each is. */
export interface ClassPrediction {
  /** The most likely class. */
  readonly class: string
  /** By class; they sum to 1. */
  readonly probabilities: { readonly [name: string]: number }
}
/** A class with probabilities, or for regression a number in the units of the target. */
export type Prediction = ClassPrediction | number

/** What a model is made of, besides its numbers. */
export interface ModelDescription {
  /** What it foretells. */
  readonly task: Task
  /** What `mlp` or `cnn` builds it from. */
  readonly network: NetworkConfig
  /** How an image file becomes numbers, for models of images. */
  readonly images?: ImageForm
  /** How rows of a table become inputs; without it the model takes arrays of numbers. */
  readonly preprocessing?: Preprocessing
  /** For arrays: input = number · scale + offset. */
  readonly scale?: number
  readonly offset?: number
  /** Names of the classes in the order of the outputs. */
  readonly classes?: readonly string[]
  /** Anything that JSON holds: how it was trained, what it scored. */
  readonly training?: { readonly [name: string]: unknown }
}

/** A sample: a row by column names, or as many numbers as the network has inputs. */
export type ModelInput = Row | ArrayLike<number>

/** A trained network together with what makes inputs of rows and words of outputs; made by `modelFrom` and `openModel`. */
export class Model<P extends Prediction = Prediction> {
  /** What its folder says of it. */
  readonly description: ModelDescription
  /** The network, on prepared numbers. */
  readonly net: Net
  /** What it foretells. */
  readonly task: Task
  /** Names of the classes; undefined for regression. */
  readonly classes: readonly string[] | undefined
  readonly #predictor: Predictor
  readonly #width: number
  readonly #single: { readonly array: Float32Array; readonly tensor: Tensor }

  constructor(description: ModelDescription, net: Net) {
    const { preprocessing, network, task } = description
    this.description = description
    this.net = net
    this.task = task
    this.classes = checkedClasses(description)
    this.#width = typeof network.inputs === 'number' ? network.inputs : sizeOf(network.inputs)
    const { scale, offset } = preprocessing ? {} : description
    this.#predictor = new Predictor(net, { scale, offset }, task === 'regression' ? undefined : probabilitiesOf)
    this.#single = this.#predictor.buffer(this.#samples(1), 1, 'float32') as { array: Float32Array; tensor: Tensor }
  }

  /**
   * Predicts one row, or all rows of a list. A row may lack columns, which then count as missing values.
   * Throws ValueError for unknown columns (with the nearest name), text in a number column, and arrays of another size.
   */
  predict(row: ModelInput): Promise<P>
  predict(rows: readonly ModelInput[]): Promise<P[]>
  async predict(input: ModelInput | readonly ModelInput[]): Promise<P | P[]> {
    if (!isList(input)) return this.#one(input)
    if (input.length === 0) return []
    const { preprocessing } = this.description
    const data = preprocessing ? transform(preprocessing, input as readonly Row[]) : this.#joined(input)
    return this.#many(data, input.length)
  }

  /** Predicts the rows of a table, which must have every column that the model uses. */
  async predictTable(table: Table, rows?: ArrayLike<number>): Promise<P[]> {
    const { preprocessing } = this.description
    if (!preprocessing)
      throw new ValueError('predict', 'this model takes arrays of numbers, not tables', {
        hint: `Give ${this.#width} numbers a sample.`,
      })
    return this.#many(transform(preprocessing, table, rows), rows?.length ?? table.rows)
  }

  /**
   * What a prediction of `rows` rows at once costs, kernel by kernel, and with `time` how long it takes: the program that
   * predicts, with a call of it on rows of zeros.
   */
  explain(
    rows: number,
    options?: { readonly time?: boolean },
  ): {
    readonly explanation: Explanation
    /** Makes one call of that program. */
    call(): void
  } {
    const { tensor } = this.#predictor.buffer(this.#samples(rows), rows, 'float32')
    return {
      explanation: this.#predictor.explain(tensor, options),
      call: () => void this.#predictor.call(tensor),
    }
  }

  /** One sample without any allocation but the result's. */
  #one(input: ModelInput): P {
    const { array, tensor } = this.#single
    const { preprocessing } = this.description
    if (preprocessing) transformRow(preprocessing, input as Row, array)
    else array.set(this.#checked(input, 0))
    const { data } = this.#predictor.call(tensor)
    return this.#decode(data, 0)
  }

  async #many(data: Float32Array, count: number): Promise<P[]> {
    if (count === 0) return []
    const outputs = await this.#predictor.run({ ...this.#samples(count), data } as Samples)
    return Array.from({ length: count }, (_, i) => this.#decode(outputs.data, i))
  }

  #decode(outputs: ArrayLike<number>, row: number): P {
    const { classes } = this
    const target = this.description.preprocessing?.target
    if (!classes) {
      const value = outputs[row]!
      return (target?.kind === 'number' ? value * target.deviation + target.mean : value) as P
    }
    const probabilities: { [name: string]: number } = {}
    const start = row * classes.length
    let best = 0
    for (let i = 0; i < classes.length; i++) {
      const p = outputs[start + i]!
      probabilities[classes[i]!] = p
      if (p > outputs[start + best]!) best = i
    }
    return { class: classes[best]!, probabilities } as Prediction as P
  }

  #samples(count: number): { shape: number[] } {
    const { inputs } = this.description.network
    return { shape: [count, ...(typeof inputs === 'number' ? [inputs] : inputs)] }
  }

  #joined(rows: readonly ModelInput[]): Float32Array {
    const data = new Float32Array(rows.length * this.#width)
    rows.forEach((row, i) => {
      data.set(this.#checked(row, i), i * this.#width)
    })
    return data
  }

  #checked(input: ModelInput, row: number): ArrayLike<number> {
    const { length } = input as ArrayLike<number>
    if (length !== this.#width)
      throw new ShapeError(
        'predict',
        typeof length === 'number' ? `sample ${row} has ${length} numbers` : `sample ${row} is no array of numbers`,
        { hint: `The model takes ${this.#width} numbers a sample.` },
      )
    return input as ArrayLike<number>
  }
}

/** A list of samples, not one sample that is an array. */
const isList = (input: ModelInput | readonly ModelInput[]): input is readonly ModelInput[] =>
  Array.isArray(input) && (input.length === 0 || typeof input[0] === 'object')

/** [..., C] logits, or one logit of yes, which become the probabilities of two classes. */
function probabilitiesOf(output: Tensor): Tensor {
  if (output.shape[output.rank - 1] !== 1) return softmax(output)
  return concatenate([sigmoid(output.neg()), sigmoid(output)], -1)
}

/** Throws ValueError where the parts of a model contradict each other. */
function checkedClasses({ task, network, preprocessing, classes }: ModelDescription): readonly string[] | undefined {
  const fail = (fault: string): never => {
    throw new ValueError('model', fault)
  }
  if (preprocessing && (preprocessing.target.kind === 'classes') !== (task === 'classification'))
    fail(`the task is ${task}, but the preprocessing is for ${preprocessing.target.kind}`)
  if (preprocessing && inputWidth(preprocessing) !== network.inputs)
    fail(`the preprocessing gives ${inputWidth(preprocessing)} inputs, the network takes ${String(network.inputs)}`)
  if (task === 'regression') {
    if (network.outputs !== 1) fail(`a regression has one output, the network ${network.outputs}`)
    return undefined
  }
  const fitted = preprocessing?.target.kind === 'classes' ? preprocessing.target.classes : undefined
  const names = fitted ?? classes ?? Array.from({ length: Math.max(2, network.outputs) }, (_, i) => String(i))
  if (names.length !== Math.max(2, network.outputs))
    fail(`there are ${names.length} classes, but the network has ${network.outputs} outputs`)
  return names
}
