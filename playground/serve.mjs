/**
 * @file Serves the playground on this machine: node playground/serve.mjs [PORT], by default 4174, or the next one that is free.
 * Any static web server does as well; these headers let pages share memory among threads, and let nothing in from elsewhere.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.bin': 'application/octet-stream',
}
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
}

/** Serves a folder on 127.0.0.1; the server and its address. */
export async function servePlayground(folder, port = 0) {
  const server = createServer(async ({ url = '/', method }, response) => {
    const answer = (status, body = '', type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, { ...headers, 'Content-Type': type })
      response.end(method === 'HEAD' ? undefined : body)
    }
    if (method !== 'GET' && method !== 'HEAD') return answer(405, 'Only GET and HEAD.')
    let path
    try {
      path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname))
    } catch {
      return answer(400, 'No such address.')
    }
    const type = types[extname(path)] ?? types['.html']
    if (path.includes('\0') || path.split('/').includes('..')) return answer(400, 'No such address.')
    try {
      answer(
        200,
        await readFile(join(folder, path === '/' ? 'index.html' : path)),
        path === '/' ? types['.html'] : type,
      )
    } catch {
      answer(404, 'There is no such file.')
    }
  })
  await new Promise((resolve, reject) => {
    server.once('error', (error) => {
      // The port is taken: any other.
      if (error.code !== 'EADDRINUSE') return reject(error)
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  return { server, address: `http://127.0.0.1:${server.address().port}/` }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address } = await servePlayground(
    fileURLToPath(new URL('./dist', import.meta.url)),
    Number(process.argv[2] ?? 4174),
  )
  console.log(`The playground is at ${address} (Ctrl-C ends it)`)
}
