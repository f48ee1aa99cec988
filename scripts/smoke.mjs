/**
 * @file A short training in whatever runtime runs this file, by the package's own name: Node, Deno
 * (deno run -A --node-modules-dir=manual scripts/smoke.mjs), Bun. Prints what it ran on, and a hash of all weights: equal hashes are equal
 * bits. Runtimes without fused multiply-adds agree with GRADUS_NUMERICS=portable elsewhere. Needs `npm run build`.
 */
import * as gradus from 'gradus'
import { smoke } from './smoke-training.mjs'

const runtime =
  typeof Deno !== 'undefined'
    ? `deno ${Deno.version.deno}`
    : typeof Bun !== 'undefined'
      ? `bun ${Bun.version}`
      : `node ${process.versions.node}`
const hash = await smoke(gradus)
const product = gradus.compile((x) => x.matmul(x))
const engine = product.explain([gradus.ones([4, 4])])
console.log(`${runtime} ${engine.engine} ${engine.numerics} ${hash}`)
