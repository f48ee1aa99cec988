/**
 * @file The server of the run page: on 127.0.0.1 only, reads only, and answers nobody but the page that it served itself.
 * In: a folder of runs. Out: an address to open.
 *
 * const watch = await watchRuns({ folder: 'runs' }); console.log(watch.address); await watch.close()
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FileError } from '../base/errors.js'
import { answer, BadQuery } from './answers.js'
import type { LiveMessages } from './api.js'
import { refusal, securityHeaders } from './guard.js'
import { Runs } from './runs.js'

export interface WatchOptions {
  /** Of runs, or one run; need not be there yet. */
  readonly folder: string
  /** Another one is taken if this is in use; 0 is any. */
  readonly port?: number
  /** Where the built page is. */
  readonly page?: string
  /** Milliseconds from one look at the files to the next, while a page is open. */
  readonly interval?: number
}

/** A server that runs. */
export interface Watch {
  /** `http://127.0.0.1:6007/`. */
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

export const defaultPort = 6007
/** Pages that are open at once; more would be a mistake somewhere. */
const mostListeners = 64
const portsToTry = 20

const types: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
}
/** All files of the page there are: no path is made of what a request says. */
const pageFiles = ['index.html', 'page.js', 'page.css', 'icon.svg']

/** From dist/watch/ as from dist/bundle/. */
const builtPage = fileURLToPath(new URL('../watch/page/', import.meta.url))

/** Starts the server. Throws FileError where the page was not built, or no port is free. */
export async function watchRuns(options: WatchOptions): Promise<Watch> {
  const page = await loadPage(options.page ?? builtPage)
  const runs = new Runs(options.folder)
  const context: Context = { runs, page, interval: options.interval ?? 1000, listeners: new Set() }
  const server = createServer((request, response) => {
    respond(request, response, context).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, `The server failed: ${(error as Error).message}`)
      else response.destroy()
    })
  })
  const port = await listen(server, options.port ?? defaultPort)
  return {
    address: `http://127.0.0.1:${port}/`,
    port,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        // Pages see an end, not a fault, and ask again.
        for (const response of context.listeners) response.end()
        setTimeout(() => server.closeAllConnections(), 100)
      }),
  }
}

type Page = ReadonlyMap<string, Buffer>

async function loadPage(folder: string): Promise<Page> {
  try {
    return new Map(
      await Promise.all(pageFiles.map(async (name) => [`/${name}`, await readFile(folder + name)] as const)),
    )
  } catch (cause) {
    throw new FileError('watch', `the page is not there (${(cause as Error).message})`, {
      cause,
      hint: 'npm run build makes it.',
    })
  }
}

async function listen(server: Server, wanted: number): Promise<number> {
  for (let i = 0; i <= portsToTry; i++) {
    // The last try is whatever the system gives.
    const port = wanted === 0 || i === portsToTry || wanted + i > 65535 ? 0 : wanted + i
    try {
      await new Promise<void>((done, fail) => {
        server.once('error', fail)
        server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
          server.off('error', fail)
          done()
        })
      })
      return (server.address() as AddressInfo).port
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' && code !== 'EACCES')
        throw new FileError('watch', `cannot listen on 127.0.0.1, port ${port} (${message})`, { cause })
    }
  }
  throw new FileError('watch', 'no port of 127.0.0.1 is free')
}

interface Context {
  readonly runs: Runs
  readonly page: Page
  readonly interval: number
  /** Connections of pages that are told what happens. */
  readonly listeners: Set<ServerResponse>
}

async function respond(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
  const refused = refusal(request)
  if (refused) {
    if (refused.status === 405) response.setHeader('Allow', 'GET')
    return send(response, refused.status, refused.reason)
  }
  const url = new URL(request.url!, 'http://127.0.0.1')
  const { pathname } = url
  const file = context.page.get(pathname === '/' ? '/index.html' : pathname)
  if (file) return send(response, 200, file, types[extname(pathname)] ?? types['.html'])
  if (pathname === '/live') return live(request, response, context)
  if (pathname === '/picture') return picture(response, url.searchParams, context.runs)
  try {
    // A query by itself, when no page is open, should find what there is now.
    if (context.runs.list().runs.length === 0) await context.runs.look()
    const value = await answer(context.runs, url)
    if (value === undefined) return send(response, 404, 'There is nothing of that name.')
    return send(response, 200, JSON.stringify(value), 'application/json; charset=utf-8')
  } catch (error) {
    if (error instanceof BadQuery) return send(response, 400, error.message)
    throw error
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

async function picture(response: ServerResponse, query: URLSearchParams, runs: Runs): Promise<void> {
  const run = runs.get(query.get('run') ?? '')
  const path = run && (await runs.picture(run, query.get('file') ?? ''))
  const bytes = path && (await readFile(path).catch(() => undefined))
  if (!bytes) return send(response, 404, 'There is no such picture.')
  // Of a picture's name there is one content: the examples of an epoch.
  response.setHeader('Cache-Control', 'private, max-age=60')
  send(response, 200, bytes, types[extname(path).toLowerCase()])
}

/** Server-sent events: everything at first, then what changes. */
async function live(
  request: IncomingMessage,
  response: ServerResponse,
  { runs, interval, listeners }: Context,
): Promise<void> {
  if (listeners.size >= mostListeners) return send(response, 503, 'Too many pages are open.')
  listeners.add(response)
  const write = <K extends keyof LiveMessages>(message: K, data: LiveMessages[K]) => {
    // Who does not read will get everything anew when it connects again.
    if (response.writableLength > 32 << 20) response.destroy()
    else response.write(`event: ${message}\ndata: ${JSON.stringify(data)}\n\n`)
  }
  let stop: (() => void) | undefined
  const beat = setInterval(() => response.write(': still here\n\n'), 15_000)
  const end = () => {
    stop?.()
    clearInterval(beat)
    listeners.delete(response)
  }
  response.on('close', end)
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' })
  // The browser tries again a second after the connection was lost.
  response.write('retry: 1000\n\n')
  await runs.look()
  if (request.destroyed || response.destroyed) return end()
  write('all', runs.list())
  stop = runs.listen(write, interval)
}
