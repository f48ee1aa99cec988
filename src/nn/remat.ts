/**
 * @file remat for functions and for modules: what is computed once more instead of being kept. In: a function or a module.
 * Out: the same, which gives the same and keeps less; a module keeps its children, and so the names of its parameters.
 *
 * nn.sequential(remat(block()), remat(block()), nn.linear(64, 10))
 */
import { rematFunction } from '../trace/custom.js'
import { type AnyFunction, type Children, forwardOf, isModule, makeModule } from './module.js'

/**
 * f, whose derivative computes what f computed once more instead of keeping it: memory for what goes into f and what comes out,
 * not for what is between, at the cost of f's time. As torch.utils.checkpoint and jax.checkpoint. Values, gradients and random
 * draws are those of f. f is a function of tensors or a module; a module stays one, with the same children and names of
 * parameters. It may use Variables and captured tensors, which get their gradients, and may return tensors in arrays and
 * objects.
 * `step.explain(args).liveBytes` says what is gained: of a chain of n equal blocks, each of them a remat, little more than n
 * results and what one block keeps, instead of n times what one block keeps. Chen et al. 2016, arXiv:1604.06174.
 * Example: nn.sequential(remat(nn.residual(nn.linear(64, 64))), nn.linear(64, 10))
 */
export function remat<F extends AnyFunction>(f: F): F {
  if (!isModule(f)) return rematFunction(f as (...inputs: unknown[]) => unknown) as F
  const forward = forwardOf(f)
  const { children, description, place: _, ...properties } = f
  const again = (own: Children, ...inputs: unknown[]): unknown =>
    rematFunction((...x: unknown[]) => forward(own, ...x))(...inputs)
  return makeModule(`remat(${description})`, children, again as (own: Children) => unknown, properties) as unknown as F
}
