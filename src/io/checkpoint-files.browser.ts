/**
 * @file checkpoint-files.ts as browsers have it: files in IndexedDB, by folder and name. Pages and their workers see the same ones. A
 * transaction is made whole or not at all, and is on the disk when it is done (`durability: 'strict'`).
 */
import { FileError } from '../base/errors.js'
import type { CheckpointFiles } from './checkpoint-files.js'

interface Request<T> {
  readonly result: T
  readonly error: Error | null
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}
interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null
  onblocked: (() => void) | null
}
interface Store {
  get(key: readonly string[]): Request<Uint8Array | undefined>
  getAllKeys(range: unknown): Request<(readonly [string, string])[]>
  add(value: Uint8Array, key: readonly string[]): Request<unknown>
  delete(key: unknown): Request<unknown>
}
interface Transaction {
  objectStore(name: string): Store
  readonly error: Error | null
  oncomplete: (() => void) | null
  onabort: (() => void) | null
}
interface Database {
  createObjectStore(name: string): unknown
  transaction(store: string, mode: string, options?: { readonly durability: 'strict' }): Transaction
  onversionchange: (() => void) | null
  onclose: (() => void) | null
  close(): void
}
interface Host {
  readonly indexedDB?: { open(name: string, version: number): OpenRequest }
  readonly navigator?: {
    readonly locks?: {
      request(
        name: string,
        options: { readonly signal: AbortSignal },
        f: (lock: unknown) => Promise<void>,
      ): Promise<unknown>
    }
  }
  readonly IDBKeyRange: { bound(low: unknown, high: unknown): unknown }
}

const host = globalThis as unknown as Host
const store = 'files'
let opened: Promise<Database> | undefined

function open(): Promise<Database> {
  opened ??= new Promise<Database>((resolve, reject) => {
    if (!host.indexedDB) throw new FileError('checkpoint', 'there is no IndexedDB here to keep checkpoints in')
    const request = host.indexedDB.open('gradus', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(store)
    request.onerror = () => reject(fault('opened', request.error))
    request.onsuccess = () => {
      const database = request.result
      const close = () => {
        database.close()
        opened = undefined
      }
      // Another page may delete it; a browser may close it.
      database.onversionchange = close
      database.onclose = close
      resolve(database)
    }
  })
  opened.catch(() => {
    opened = undefined
  })
  return opened
}

function fault(what: string, cause: Error | null): FileError {
  const full = cause?.name === 'QuotaExceededError'
  return new FileError(
    'checkpoint',
    `the browser's storage cannot be ${what}: ${full ? 'it is full' : cause?.message}`,
    {
      cause,
      hint: full ? 'Give up other runs (forgetRun), or keep fewer checkpoints.' : 'Private windows may have none.',
    },
  )
}

const folderOf = (path: string) => host.IDBKeyRange.bound([path, ''], [path, '\uffff'])

async function ask<T>(what: (files: Store) => Request<T>): Promise<T> {
  const files = (await open()).transaction(store, 'readonly').objectStore(store)
  return new Promise((resolve, reject) => {
    const request = what(files)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(fault('read', request.error))
  })
}

async function change(what: (files: Store) => unknown): Promise<void> {
  const transaction = (await open()).transaction(store, 'readwrite', { durability: 'strict' })
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(fault('written to', transaction.error))
    what(transaction.objectStore(store))
  })
}

/** Milliseconds to wait for a page that is just being closed. */
const patience = 3000

/** Of all pages and workers one writes to a run; the browser lets go of what ends. Pages that are not secure have no locks. */
function lock(path: string): Promise<() => void> {
  const { locks } = host.navigator ?? {}
  if (!locks) return Promise.resolve(() => {})
  return new Promise((resolve, reject) => {
    const held = () => new Promise<void>((release) => resolve(release))
    locks.request(`gradus ${path}`, { signal: AbortSignal.timeout(patience) }, held).catch(() =>
      reject(
        new FileError('checkpoint', `another page or worker is writing to the run '${path}'`, {
          hint: 'Close it, or choose another name.',
        }),
      ),
    )
  })
}

/** Throws FileError where there is no storage, or another page writes there. */
export async function openFiles(path: string): Promise<CheckpointFiles> {
  await open()
  const release = await lock(path)
  return { ...filesAt(path), close: release }
}

export const filesAt = (path: string): CheckpointFiles => ({
  path,
  list: async () => (await ask((files) => files.getAllKeys(folderOf(path)))).map(([, name]) => name),
  async read(name) {
    const bytes = await ask((files) => files.get([path, name]))
    if (!bytes) throw new FileError('read', `there is no file ${path}/${name}`)
    return bytes
  },
  write: (name, content) =>
    // What is there already is not written over: two pages may be at the same run.
    change((files) =>
      files.add(typeof content === 'string' ? new TextEncoder().encode(content) : content, [path, name]),
    ),
  remove: (name) => change((files) => files.delete([path, name])),
  isLeftover: () => false,
  close: () => {},
})

/** Takes the checkpoints of a folder away. */
export const removeCheckpoints = (path: string): Promise<void> => change((files) => files.delete(folderOf(path)))
