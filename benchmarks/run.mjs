/**
 * @file The benchmark: Gradus on W1 to W6 by the peers' clock, the contraction kernel, the first step, one prediction.
 * npm run bench                        Gradus alone, a few minutes
 * npm run bench -- --peers             with the rivals installed in $PEERS_DIR (see peers/README.md)
 * npm run bench -- --peers W4 W5       these workloads, and nothing else
 * Nothing else may run meanwhile. Prints Markdown, for docs/benchmarks.md.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const chosen = process.argv.slice(2).filter((word) => /^W[1-6]$/.test(word))
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
/** torch's GRU goes through no compiled graph, only through pieces of one; jax-js's own convolution is far slower than slices and a product. */
const rivals = (w, threads) => [
  ['JAX jit', python.jax, ['peer_jax.py', w, threads]],
  ['PyTorch eager', python.torch, ['peer_torch.py', w, threads, 'eager']],
  ['PyTorch compiled', python.torch, ['peer_torch.py', w, threads, w === 'W6' ? 'compile2' : 'compile']],
  ['jax-js', 'node', ['peer_jaxjs.mjs', w, threads, ...(w === 'W4' ? ['im2col'] : [])]],
  [
    'jax-js, relaxed SIMD',
    'node',
    ['--experimental-wasm-relaxed-simd', 'peer_jaxjs.mjs', w, threads, ...(w === 'W4' ? ['im2col'] : [])],
  ],
  // These have one thread.
  ...(threads === '1'
    ? [
        ...(w <= 'W3' ? [['scikit-learn', python.jax, ['peer_sklearn.py', w, '1']]] : []),
        ['TensorFlow.js wasm', 'node', ['peer_tfjs.mjs', w, '1', 'wasm']],
        ['TensorFlow.js wasm, explicit transposes', 'node', ['peer_tfjs.mjs', w, '1', 'wasmT']],
        ...(w <= 'W2' ? [['brain.js', 'node', ['peer_brain.mjs', w, '1']]] : []),
      ]
    : []),
]
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
  ...(withPeers ? rivals(w, '1') : []),
  ['Gradus, native, 2 threads', 'node', ['peer_gradus.mjs', w, '2'], { GRADUS_ENGINE: 'native' }],
  ['Gradus, WebAssembly, 2 threads', 'node', ['peer_gradus.mjs', w, '2'], { GRADUS_ENGINE: 'wasm' }],
  ...(withPeers ? rivals(w, '2').map(([name, ...rest]) => [`${name}, 2 threads`, ...rest]) : []),
]

console.log(`${cpus()[0].model}, Node ${process.version}; one thread unless said otherwise\n`)
for (const workload of chosen.length > 0 ? chosen : ['W1', 'W2', 'W3', 'W4', 'W5', 'W6']) {
  console.log(
    `### ${workload}\n\n| library | step, median | fastest | ratio to the first | first step | memory |\n| --- | ---: | ---: | ---: | ---: | ---: |`,
  )
  let own
  for (const [name, command, args, env] of contenders(workload)) {
    const result = measure(command, args, { env })
    if (!result) continue
    own ??= result.step_us_median
    const us = (x) =>
      x < 100 ? `${x.toFixed(1)} µs` : x < 10_000 ? `${Math.round(x)} µs` : `${(x / 1000).toFixed(1)} ms`
    console.log(
      `| ${name} | ${us(result.step_us_median)} | ${us(result.step_us_min)} | ${(result.step_us_median / own).toFixed(2)} | ${Math.round(result.first_step_ms)} ms | ${Math.round(result.peak_rss_mb)} MB |`,
    )
  }
  console.log('')
}
for (const [title, script, env] of chosen.length > 0
  ? []
  : [
      ['Contraction kernel, native', 'contraction.mjs', { GRADUS_ENGINE: 'native', GRADUS_THREADS: '1' }],
      ['Contraction kernel, WebAssembly', 'contraction.mjs', { GRADUS_ENGINE: 'wasm' }],
      ['One prediction', 'predict.mjs', { GRADUS_ENGINE: 'wasm' }],
      ['First steps, and a busy neighbour', 'latency.mjs', {}],
    ]) {
  console.log(`### ${title}\n\n\`\`\``)
  spawnSync('node', [here(`./${script}`)], { stdio: 'inherit', env: { ...process.env, ...env } })
  console.log('```\n')
}
