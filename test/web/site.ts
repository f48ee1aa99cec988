/**
 * @file A site for tests of browsers: the package's files and those of test/web/page, on 127.0.0.1, with whatever headers a page is to have.
 *
 * const site = await serveSite(); await page.goto(site.page({ isolated: true, policy: "script-src 'self'" }))
 */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const kinds: { readonly [ending: string]: string } = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.map': 'application/json',
}

/** Blocks of docs/browser.md: a whole page, and the program of a worker. */
const docs = readFileSync(join(root, 'docs/browser.md'), 'utf8')
const blockOf = (begin: string): string => {
  const from = docs.indexOf(begin)
  return docs.slice(docs.indexOf('\n', from) + 1, docs.indexOf('```\n', from + begin.length))
}
const blocks: { readonly [path: string]: string } = {
  'docs/plain.html': blockOf('```html').replace("'./gradus.js'", "'../dist/gradus.js'"),
  'docs/training.js': blockOf('```js\n// training.js').replace("'gradus'", "'../dist/gradus.js'"),
}

/** How a page is served. */
export interface PageHeaders {
  /** Whether it is cross-origin isolated, so that memory can be shared. */
  readonly isolated?: boolean
  /** Its Content-Security-Policy. */
  readonly policy?: string
}

export interface Site {
  page(headers?: PageHeaders): string
  /** Paths that were asked for. */
  readonly asked: readonly string[]
  close(): void
}

export async function serveSite(): Promise<Site> {
  const asked: string[] = []
  const headersOf = ({ isolated, policy }: PageHeaders) => ({
    'cache-control': 'no-store',
    ...(isolated
      ? { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
      : {}),
    ...(policy ? { 'content-security-policy': policy } : {}),
  })
  const server = createServer(async ({ url = '/' }, response) => {
    // /HEADERS/path: workers and scripts have the headers of their page.
    const [, settings = '', ...rest] = new URL(url, 'http://x').pathname.split('/')
    const path = rest.join('/')
    asked.push(path)
    if (settings === 'favicon.ico') {
      response.writeHead(204).end()
      return
    }
    const headers = headersOf(settings ? (JSON.parse(decodeURIComponent(settings)) as PageHeaders) : {})
    if (path === '') {
      response.writeHead(200, { ...headers, 'content-type': 'text/html' })
      response.end(
        '<!doctype html><title>Gradus</title><link rel="icon" href="data:,"><script type="module" src="test/web/page/main.js"></script>',
      )
      return
    }
    const block = blocks[path]
    if (block !== undefined) {
      response.writeHead(200, { ...headers, 'content-type': path.endsWith('.js') ? 'text/javascript' : 'text/html' })
      response.end(block)
      return
    }
    const known = /^(dist|test\/web\/page|scripts)\/[\w./-]+$/.test(path) && !path.includes('..')
    const content = known ? await readFile(join(root, path)).catch(() => undefined) : undefined
    response.writeHead(content ? 200 : 404, { ...headers, 'content-type': kinds[extname(path)] ?? 'text/plain' })
    response.end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    page: (headers = {}) => `http://127.0.0.1:${port}/${encodeURIComponent(JSON.stringify(headers))}/`,
    asked,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
