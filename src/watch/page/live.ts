/**
 * @file The connection to the server. In: server-sent events of /live. Out: the store, kept as the folder is; after a server
 * that was stopped and started again, everything anew.
 */
import type { LiveMessages } from '../api.js'
import { dropRun, set, takeAll, takeRun } from './store.js'

const againAfter = 1500

export function connect(): void {
  const source = new EventSource('/live')
  const on = <K extends keyof LiveMessages>(message: K, take: (data: LiveMessages[K]) => void) =>
    source.addEventListener(message, (event) => take(JSON.parse((event as MessageEvent<string>).data)))
  on('all', ({ folder, problem, runs }) => takeAll(folder, problem, runs))
  on('run', takeRun)
  on('gone', ({ name }) => dropRun(name))
  on('folder', ({ folder, problem }) => set({ folder, problem }))
  source.addEventListener('error', () => {
    set({ connection: 'lost' })
    // The browser tries again by itself, unless the server answered with something else than events.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, againAfter)
  })
}

/** JSON of the server; undefined where there is nothing of that name. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T | undefined> {
  const response = await fetch(path, signal ? { signal } : {})
  if (response.status === 404) return undefined
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as T
}

export const query = (
  path: string,
  values: { readonly [name: string]: string | number | readonly string[] | undefined },
) => {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values))
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
      if (one !== undefined) search.append(name, String(one))
  return `${path}?${search}`
}
