/**
 * @file The site of the benchmark, on 127.0.0.1, cross-origin isolated: a page, the package's files, the peers' scripts bundled for
 * browsers just as they are, and what the rivals load themselves. In: the folder where rivals are installed, or undefined. Out: its address.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const kinds = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** One script of the peers for a browser: Gradus is the file that pages get, Node's modules are those of process.mjs. */
async function bundle(script, peersFolder) {
  const names = script.includes('tfjs') ? ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'] : []
  const asInPages = {
    name: 'as in pages',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /dist\/index\.js$/ }, ({ path }) =>
        path === '../../dist/index.js' ? { path: '/dist/gradus.js', external: true } : undefined,
      )
      onResolve({ filter: /^node:/ }, ({ path }) =>
        path === 'node:module' ? { path, namespace: 'node' } : { path: `${root}benchmarks/browser/process.mjs` },
      )
      // The libraries that a script asks for with `require`.
      onLoad({ filter: /./, namespace: 'node' }, () => ({
        contents: `
          ${names.map((name, i) => `import * as module${i} from '${name}'`).join('\n')}
          const modules = { ${names.map((name, i) => `'${name}': module${i}`).join(', ')} }
          export const createRequire = () => (name) => modules[name]`,
        resolveDir: peersFolder ? join(peersFolder, 'js') : root,
      }))
    },
  }
  const { outputFiles } = await build({
    entryPoints: [`${root}benchmarks/${script}`],
    inject: [`${root}benchmarks/browser/process.mjs`],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    tsconfigRaw: '{}',
    plugins: [asInPages],
  })
  return outputFiles[0].contents
}

export async function serveBenchmark(peersFolder) {
  const scripts = ['peers/peer_gradus.mjs', 'browser/first-step.mjs']
  if (peersFolder) scripts.push('peers/peer_tfjs.mjs', 'peers/peer_jaxjs.mjs')
  const made = new Map()
  for (const script of scripts)
    made.set(`/made/${script.replace(/^.*\/(.*)\.mjs$/, '$1')}.js`, await bundle(script, peersFolder))
  made.set(
    '/',
    Buffer.from(
      '<!doctype html><title>Benchmark</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    ),
  )
  made.set('/page.js', await readFile(`${root}benchmarks/browser/page.mjs`))

  const server = createServer(async ({ url }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname))
    const file =
      path.startsWith('/peers/') && peersFolder
        ? join(peersFolder, path.slice(7))
        : /^\/(dist\/|package\.json$)/.test(path)
          ? join(root, path)
          : undefined
    const content = made.get(path) ?? (file && (await readFile(file).catch(() => undefined)))
    response.writeHead(content ? 200 : 404, {
      'Content-Type': path === '/' ? 'text/html' : (kinds[extname(path)] ?? 'text/plain'),
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cache-Control': 'no-cache',
    })
    response.end(content)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}
