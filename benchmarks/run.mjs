/**
 * @file The benchmark: Gradus on W1, W2, W3 by the peers' clock, the contraction kernel, the first step, one prediction.
 * npm run bench                        Gradus alone, about a minute
 * npm run bench -- --peers             with the rivals installed in $PEERS_DIR (see peers/README.md)
 * Nothing else may run meanwhile. Prints Markdown, for docs/benchmarks.md.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const withPeers = process.argv.includes('--peers')
const peersFolder = process.env.PEERS_DIR ?? here('./peers/.peers')
if (withPeers && !existsSync(peersFolder)) {
  console.error(`--peers: nothing is installed in ${peersFolder}; set PEERS_DIR (see benchmarks/peers/README.md)`)
  process.exit(2)
}

/** Runs one measurement; the line of JSON it prints, or undefined with the reason shown. */
function measure(command, args, options = {}) {
  const env = { ...process.env, PEERS_DIR: peersFolder, ...options.env }
  delete env.OPENBLAS_CORETYPE
  delete env.OPENBLAS_L2_SIZE
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, cwd: here('./peers'), timeout: 420_000 })
  const line = (stdout ?? '')
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .pop()
  if (!line) console.error(`failed: ${command} ${args.join(' ')}\n${(stderr ?? '').slice(-400)}`)
  return line ? JSON.parse(line) : undefined
}

const python = { jax: `${peersFolder}/vj/bin/python`, torch: `${peersFolder}/vt/bin/python` }
const contenders = (w) => [
  ['Gradus, native', 'node', ['peer_gradus.mjs', w, '1'], { GRADUS_ENGINE: 'native' }],
  ['Gradus, WebAssembly', 'node', ['peer_gradus.mjs', w, '1'], { GRADUS_ENGINE: 'wasm' }],
  ...(w === 'W1'
    ? [
        [
          'Gradus, native, fresh arrays each step',
          'node',
          ['peer_gradus.mjs', w, '1', 'fresh'],
          { GRADUS_ENGINE: 'native' },
        ],
        ['Gradus, native, 32 steps a call', 'node', ['peer_gradus.mjs', w, '1', 'many'], { GRADUS_ENGINE: 'native' }],
      ]
    : []),
  ...(withPeers
    ? [
        ['JAX jit', python.jax, ['peer_jax.py', w, '1']],
        ['PyTorch eager', python.torch, ['peer_torch.py', w, '1', 'eager']],
        ['PyTorch compiled', python.torch, ['peer_torch.py', w, '1', 'compile']],
        ['scikit-learn', python.jax, ['peer_sklearn.py', w, '1']],
        ['jax-js', 'node', ['peer_jaxjs.mjs', w, '1']],
        ['jax-js, relaxed SIMD', 'node', ['--experimental-wasm-relaxed-simd', 'peer_jaxjs.mjs', w, '1']],
        ['TensorFlow.js wasm', 'node', ['peer_tfjs.mjs', w, '1', 'wasm']],
        ['TensorFlow.js wasm, explicit transposes', 'node', ['peer_tfjs.mjs', w, '1', 'wasmT']],
        ...(w === 'W3' ? [] : [['brain.js', 'node', ['peer_brain.mjs', w, '1']]]),
      ]
    : []),
  ['Gradus, native, 2 threads', 'node', ['peer_gradus.mjs', w, '2'], { GRADUS_ENGINE: 'native' }],
  ['Gradus, WebAssembly, 2 threads', 'node', ['peer_gradus.mjs', w, '2'], { GRADUS_ENGINE: 'wasm' }],
  ...(withPeers
    ? [
        ['JAX jit, 2 threads', python.jax, ['peer_jax.py', w, '2']],
        ['PyTorch eager, 2 threads', python.torch, ['peer_torch.py', w, '2', 'eager']],
        ['PyTorch compiled, 2 threads', python.torch, ['peer_torch.py', w, '2', 'compile']],
        ['jax-js, 2 threads', 'node', ['peer_jaxjs.mjs', w, '2']],
        ['jax-js, relaxed SIMD, 2 threads', 'node', ['--experimental-wasm-relaxed-simd', 'peer_jaxjs.mjs', w, '2']],
      ]
    : []),
]

console.log(`${cpus()[0].model}, Node ${process.version}; one thread unless said otherwise\n`)
for (const workload of ['W1', 'W2', 'W3']) {
  console.log(
    `### ${workload}\n\n| library | step, median | fastest | ratio to the first | first step |\n| --- | ---: | ---: | ---: | ---: |`,
  )
  let own
  for (const [name, command, args, env] of contenders(workload)) {
    const result = measure(command, args, { env })
    if (!result) continue
    own ??= result.step_us_median
    const us = (x) =>
      x < 100 ? `${x.toFixed(1)} µs` : x < 10_000 ? `${Math.round(x)} µs` : `${(x / 1000).toFixed(1)} ms`
    console.log(
      `| ${name} | ${us(result.step_us_median)} | ${us(result.step_us_min)} | ${(result.step_us_median / own).toFixed(2)} | ${Math.round(result.first_step_ms)} ms |`,
    )
  }
  console.log('')
}
for (const [title, script, env] of [
  ['Contraction kernel, native', 'contraction.mjs', { GRADUS_ENGINE: 'native', GRADUS_THREADS: '1' }],
  ['Contraction kernel, WebAssembly', 'contraction.mjs', { GRADUS_ENGINE: 'wasm' }],
  ['One prediction', 'predict.mjs', { GRADUS_ENGINE: 'wasm' }],
  ['First steps, and a busy neighbour', 'latency.mjs', {}],
]) {
  console.log(`### ${title}\n\n\`\`\``)
  spawnSync('node', [here(`./${script}`)], { stdio: 'inherit', env: { ...process.env, ...env } })
  console.log('```\n')
}
