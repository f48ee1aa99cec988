/**
 * @file Layers: linear, flatten, residual, and sequential, which chains them.
 * nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu, nn.dropout(0.2), nn.linear(128, 10))
 */
import { type DType, type FloatDType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { Tensor } from '../trace/tensor.js'
import type { Initializer, Variable } from '../trace/variable.js'
import { checkDtype } from './checks.js'
import { parameter, uniformByFanIn } from './initializers.js'
import { type AnyFunction, type Children, callChild, type ModuleParts, makeModule } from './module.js'
import type { Chain, ChainDType, ChainInput, DTypeOf, FirstTakes, LastGives, Layer, ShapeOf } from './shapes.js'

/** Of `linear`. */
export interface LinearOptions<D extends FloatDType = FloatDType> {
  /** Whether there is a b. */
  readonly bias?: boolean
  /** Draws W; by default uniform in ±1/√in, which is PyTorch's (He's uniform initialiser with a = √5). */
  readonly initializer?: Initializer
  /** Draws b; by default uniform in ±1/√in, as PyTorch. */
  readonly biasInitializer?: Initializer
  readonly dtype?: D
}

/** A linear layer; without a bias, `bias` is no child. */
export type Linear<In extends number, Out extends number, D extends FloatDType = 'float32'> = Layer<
  readonly [In],
  readonly [Out],
  D,
  { readonly weight: Variable<readonly [Out, In], D>; readonly bias: Variable<readonly [Out], D> }
>

/** y = x Wᵀ + b over the last axis. x: [..., in], y: [..., out], weight W: [out, in], bias b: [out]. */
export function linear<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  options: LinearOptions<D> = {},
): Linear<In, Out, D> {
  for (const [name, size] of [['inputs', inputs] as const, ['outputs', outputs] as const])
    if (!Number.isInteger(size) || size < 1)
      throw new ValueError('nn.linear', `the number of ${name} must be a whole number above 0, not ${size}`)
  const { bias = true, initializer = uniformByFanIn(inputs), biasInitializer = uniformByFanIn(inputs) } = options
  const dtype = options.dtype ?? ('float32' as D)
  if (!isFloat(dtype)) throw new DtypeError('nn.linear', `computes in float32 or float64, not ${String(dtype)}`)
  const description = `linear(${inputs}, ${outputs})`
  const children = {
    weight: parameter([outputs, inputs] as const, initializer, { dtype }),
    ...(bias ? { bias: parameter([outputs] as const, biasInitializer, { dtype }) } : {}),
  }
  const forward = (m: typeof children, x: Tensor): Tensor => {
    if (x.rank < 1 || x.shape[x.rank - 1] !== inputs)
      throw new ShapeError('linear', `takes [...,${inputs}], got ${formatShape(x.shape)}`, {
        hint: `It was built as ${description}.`,
      })
    checkDtype('linear', x, dtype, description)
    const product = x.matmul(m.weight.value.transpose())
    return m.bias ? product.add(m.bias.value) : product
  }
  return makeModule(description, children, forward, {
    takes: [inputs],
    gives: [outputs],
    dtype,
  }) as unknown as Linear<In, Out, D>
}

/** What flatten gives: from any shape to [batch, elements]. */
export interface Flatten extends ModuleParts {
  <X extends Tensor>(input: X): Tensor<FlatShape<ShapeOf<X>>, DTypeOf<X>>
  readonly gives: readonly [number] | undefined
}
type FlatShape<S extends Shape> = S extends readonly [number, number]
  ? S
  : S extends readonly [infer Batch extends number, ...Shape]
    ? readonly [Batch, number]
    : readonly [number, number]

/** [batch, ...rest] → [batch, product of rest]; any dtype. */
export function flatten(): Flatten {
  const forward = (_: object, x: Tensor): Tensor => {
    if (x.rank < 1)
      throw new ShapeError('flatten', 'got a scalar, which has no batch axis', {
        hint: 'A single sample needs an axis in front: x.expandDims(0).',
      })
    return x.flatten(1)
  }
  return makeModule('flatten()', {}, forward, { gives: undefined }) as unknown as Flatten
}

/** What `sequential` makes of its layers: takes what the first takes, gives what the last gives. */
export type Sequential<L extends readonly AnyFunction[]> = Layer<
  FirstTakes<L>,
  LastGives<L>,
  ChainDType<L>,
  // Indexed as arrays are: net.children[0].children.weight
  Indexed<L>,
  ChainInput<L>
>
type Indexed<L extends readonly AnyFunction[]> = Children & {
  readonly [K in keyof L as K extends `${number}` ? K : never]: L[K]
}

/** The layers one after another; parameters are named by position: `0.weight`, `2.bias`. Recurrent layers hand on their outputs, not their states. */
export function sequential<const L extends readonly AnyFunction[]>(...layers: Chain<L>): Sequential<L> {
  return chain('sequential', layers as unknown as L, (x, f) => f(x)) as unknown as Sequential<L>
}

/** y = x + f(x) for the layers f, which must keep the shape. He et al. 2015, arXiv:1512.03385 */
export function residual<const L extends readonly AnyFunction[]>(...layers: Chain<L>): Sequential<L> {
  return chain('residual', layers as unknown as L, (x, f) => {
    const y = f(x)
    if (!sameShape(x.shape, y.shape))
      throw new ShapeError('residual', `its layers make ${formatShape(y.shape)} of ${formatShape(x.shape)}`, {
        hint: 'x + f(x) needs equal shapes.',
      })
    return x.add(y)
  }) as unknown as Sequential<L>
}

type Sized = {
  readonly takes?: Shape
  readonly gives?: Shape
  readonly dtype?: FloatDType
  readonly inputDtype?: DType
  readonly keepsShape?: true
  /** It gives [outputs, state], of which the outputs go on. */
  readonly givesState?: true
}

function chain(
  name: string,
  layers: readonly AnyFunction[],
  forward: (x: Tensor, f: (x: Tensor) => Tensor) => Tensor,
): ModuleParts {
  layers.forEach((layer, i) => {
    if (typeof layer !== 'function')
      throw new ValueError(`nn.${name}`, `layer ${i} is no layer or function of a tensor, but ${typeof layer}`)
  })
  const children = Object.fromEntries(layers.map((layer, i) => [String(i), layer]))
  const run = (x: Tensor): Tensor =>
    layers.reduce<Tensor>((value, layer, i) => {
      const given = callChild(String(i), layer, value)
      const next = (layer as Sized).givesState ? (given as [Tensor])[0] : given
      if (next instanceof Tensor) return next
      const what = (layer as Partial<ModuleParts>).description ?? (layer.name || 'a function')
      throw new ValueError(`nn.${name}`, `layer ${i}, ${what}, gives no tensor`, {
        hint: 'Layers hand one tensor on. To choose from what a layer gives, write nn.module({ layer, ... }, (m, x) => ...).',
      })
    }, x)
  const sized = layers.filter((layer) => !(layer as Sized).keepsShape) as Sized[]
  return makeModule(`${name} of ${layers.length}`, children, (_: object, x: Tensor) => forward(x, run), {
    takes: sized[0]?.takes,
    gives: sized[sized.length - 1]?.gives,
    dtype: (layers as readonly Sized[]).find((layer) => layer.dtype)?.dtype,
    inputDtype: (layers as readonly Sized[]).find((layer) => layer.dtype)?.inputDtype,
  })
}
