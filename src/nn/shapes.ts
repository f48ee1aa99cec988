/**
 * @file Shapes as types: what a layer takes and gives, and readable messages where sizes do not fit.
 * A size of type `number` is unknown and always accepted, and so is a bare Tensor. Types only, no code.
 *
 * nn.sequential(nn.linear(784, 128), nn.linear(100, 10)) → '"this layer takes [100], the one before gives [128]"'
 */
import type { DType } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import type { AnyFunction, Children, ModuleParts } from './module.js'

type IsAny<T> = 0 extends 1 & T ? true : false
/** Whether not even the number of axes is known. */
export type Unknown<S> =
  IsAny<S> extends true ? true : S extends Shape ? (number extends S['length'] ? true : false) : true
export type ShapeOf<X> = X extends Tensor<infer S, DType> ? S : Shape
export type DTypeOf<X> = X extends Tensor<Shape, infer D> ? D : DType

type SameSize<A, B> = number extends A ? true : number extends B ? true : A extends B ? true : false

/** Whether `S` ends with the sizes `In`. */
type EndsWith<S extends Shape, In extends Shape> =
  Unknown<S> extends true
    ? true
    : In extends readonly [...infer Rest extends Shape, infer Last]
      ? S extends readonly [...infer Lead extends Shape, infer End]
        ? SameSize<End, Last> extends true
          ? EndsWith<Lead, Rest>
          : false
        : false
      : true

/** `S` without as many axes at its end as `In` has. */
type Lead<S extends Shape, In extends Shape> = In extends readonly [unknown, ...infer Rest extends Shape]
  ? S extends readonly [...infer Before extends Shape, unknown]
    ? Lead<Before, Rest>
    : readonly []
  : S

type Sizes<S extends readonly unknown[]> = S extends readonly [infer First extends number]
  ? Size<First>
  : S extends readonly [infer First extends number, ...infer Rest]
    ? `${Size<First>},${Sizes<Rest>}`
    : ''
/** An unknown one is shown as `?`. */
type Size<N extends number> = number extends N ? '?' : `${N}`
export type Show<S extends Shape> = Unknown<S> extends true ? '[...]' : `[${Sizes<S>}]`

/** `unknown` where a tensor X may enter a layer, else a message. */
export type Takes<X, In extends Shape, D extends DType> =
  IsAny<DTypeOf<X>> extends true
    ? TakesShape<ShapeOf<X>, In>
    : DTypeOf<X> extends D
      ? TakesShape<ShapeOf<X>, In>
      : `this layer takes ${D}, the input is ${DTypeOf<X> & string}: convert it with .cast('${D}')`
type TakesShape<S extends Shape, In extends Shape> =
  Unknown<S> extends true
    ? unknown
    : Unknown<In> extends true
      ? unknown
      : EndsWith<S, In> extends true
        ? unknown
        : `this layer takes [...,${Sizes<In>}], the input is ${Show<S>}`

/** The shape after a layer: leading axes stay, trailing ones are replaced. */
export type Gives<S extends Shape, In extends Shape, Out extends Shape> =
  Unknown<S> extends true
    ? UnknownLead<Out>
    : Unknown<In> extends true
      ? UnknownLead<Out>
      : readonly [...Lead<S, In>, ...Out]
// biome-ignore lint/suspicious/noExplicitAny: an unknown shape is accepted everywhere
type UnknownLead<Out extends Shape> = Unknown<Out> extends true ? any : readonly [...number[], ...Out]

/**
 * A module from tensors [..., In] to [..., Out]. `In` of unknown rank: leading axes are unknown afterwards. Its input has
 * the dtype I, which is D except where numbers become vectors (embedding).
 */
export interface Layer<
  out In extends Shape = Shape,
  out Out extends Shape = Shape,
  out D extends DType = 'float32',
  out C extends Children = Children,
  out I extends DType = D,
> extends ModuleParts<C> {
  <X extends Tensor>(input: X & Takes<X, In, I>): Tensor<Gives<ShapeOf<X>, In, Out>, D>
  /** Trailing sizes of the input, where known. */
  readonly takes: In | undefined
  /** Trailing sizes of the output, where known. */
  readonly gives: Out | undefined
  /** The dtype it computes in; undefined: that of its input. */
  readonly dtype: D | undefined
  /** The dtype of its input, where that is not `dtype`. */
  readonly inputDtype?: I | undefined
}

/** A module that keeps the shape of [batch, Channels, ...], such as batchNorm. */
export interface ChannelLayer<
  out Channels extends number = number,
  out D extends DType = 'float32',
  out C extends Children = Children,
> extends ModuleParts<C> {
  <X extends Tensor>(input: X & TakesChannels<X, Channels, D>): Tensor<ShapeOf<X>, D>
  readonly keepsShape: true
  /** The size of axis 1. */
  readonly channels: Channels
  readonly dtype: D | undefined
}

/** A module of no dtype of its own that changes the last axes of [..., In] and keeps those before, such as pooling. */
export interface SpatialLayer<out In extends Shape = Shape, out Out extends Shape = Shape> extends ModuleParts {
  <X extends Tensor>(input: X & TakesShape<ShapeOf<X>, In>): Tensor<Gives<ShapeOf<X>, In, Out>, DTypeOf<X>>
  /** The last axes of the input; a size of `number` is unknown. */
  readonly takes: In | undefined
  /** The last axes of the output. */
  readonly gives: Out | undefined
}

/** `unknown` where a tensor X may enter a layer of so many channels, else a message. */
export type TakesChannels<X, Channels extends number, D extends DType> =
  IsAny<DTypeOf<X>> extends true
    ? HasChannels<ShapeOf<X>, Channels>
    : DTypeOf<X> extends D
      ? HasChannels<ShapeOf<X>, Channels>
      : `this layer takes ${D}, the input is ${DTypeOf<X> & string}: convert it with .cast('${D}')`
type HasChannels<S extends Shape, Channels extends number> =
  Unknown<S> extends true
    ? unknown
    : S extends readonly [number, infer Given extends number, ...Shape]
      ? SameSize<Given, Channels> extends true
        ? unknown
        : `this layer takes [batch,${Channels},...], the input is ${Show<S>}`
      : `this layer takes [batch,${Channels},...], the input is ${Show<S>}`

/** A function that keeps shape and dtype. */
export interface Elementwise {
  <X extends Tensor>(input: X): Tensor<ShapeOf<X>, DTypeOf<X>>
  readonly keepsShape: true
}

export type TakesOf<L> = L extends { readonly takes: (infer I extends Shape) | undefined } ? I : Shape
/** What of the shape before lies ahead of what a layer takes goes through: pooling keeps channels. */
export type GivesOf<L, Before extends Shape> = L extends { readonly keepsShape: true }
  ? Before
  : L extends { readonly gives: (infer O extends Shape) | undefined }
    ? Unknown<Before> extends true
      ? O
      : Unknown<TakesOf<L>> extends true
        ? O
        : readonly [...Lead<Before, TakesOf<L>>, ...O]
    : Shape

/** What stands before each layer. */
export type Befores<L extends readonly unknown[], Before extends Shape = Shape> = L extends readonly [
  infer First,
  ...infer Rest,
]
  ? [Before, ...Befores<Rest, GivesOf<First, Before>>]
  : []

export type Fits<Before extends Shape, L> =
  Unknown<Before> extends true
    ? unknown
    : L extends { readonly channels: infer Channels extends number }
      ? FitsChannels<Before, Channels>
      : FitsShape<Before, L>
/** What is known of the shape before begins after the batch axis, as samples do. */
type FitsChannels<Before extends Shape, Channels extends number> = Before extends readonly [infer Given, ...Shape]
  ? SameSize<Given, Channels> extends true
    ? unknown
    : `this layer takes ${Channels} channels, the one before gives ${Show<Before>}`
  : unknown
type FitsShape<Before extends Shape, L> =
  Unknown<TakesOf<L>> extends true
    ? unknown
    : EndsWith<Before, TakesOf<L>> extends true
      ? unknown
      : EndsWith<TakesOf<L>, Before> extends true
        ? unknown
        : `this layer takes ${Show<TakesOf<L>>}, the one before gives ${Show<Before>}`

type At<T extends readonly Shape[], K> = K extends keyof T ? Extract<T[K], Shape> : Shape

/** The layers themselves; one that does not fit has to be a message as well, and that is where tsc puts the error. */
export type Chain<L extends readonly AnyFunction[]> = {
  [K in keyof L]: L[K] & Fits<At<Befores<L>, K>, L[K]>
}

export type FirstTakes<L extends readonly unknown[]> = L extends readonly [infer First, ...infer Rest]
  ? First extends { readonly keepsShape: true }
    ? FirstTakes<Rest>
    : TakesOf<First>
  : Shape
export type LastGives<L extends readonly unknown[], Before extends Shape = Shape> = L extends readonly [
  infer First,
  ...infer Rest,
]
  ? LastGives<Rest, GivesOf<First, Before>>
  : Before
/** The dtype of the first layer that has one. */
export type ChainDType<L extends readonly unknown[]> = L extends readonly [infer First, ...infer Rest]
  ? First extends { readonly dtype: (infer D extends DType) | undefined }
    ? D
    : ChainDType<Rest>
  : DType
/** The dtype of the first layer's input. */
export type ChainInput<L extends readonly unknown[]> = L extends readonly [infer First, ...infer Rest]
  ? First extends { readonly inputDtype?: (infer I extends DType) | undefined }
    ? unknown extends I
      ? ChainDType<L>
      : I
    : First extends { readonly dtype: DType | undefined }
      ? ChainDType<L>
      : ChainInput<Rest>
  : DType
