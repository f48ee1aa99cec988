/**
 * @file Files that are either whole or not there, and folders that never overwrite one another. Node only.
 * In: a path and its content. Out: the file, renamed into place once its bytes are on the disk.
 *
 * await writeFileAtomic('runs/iris-001/model.safetensors', bytes)
 * const folder = await createRunFolder('runs', 'iris')                     // runs/iris-001, then -002, ...
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileError } from '../base/errors.js'

/** Told of each system call before it is made; what it throws is what the call gives. */
type CallWatcher = (
  call: 'open' | 'write' | 'sync' | 'close' | 'rename' | 'sync folder' | 'unlink',
  path: string,
) => void
let watcher: CallWatcher | undefined
/** Bytes of one write. */
let piece = 1 << 20

/** Lets a test stand between any two system calls (kill the process, say that the disk is full), and cut writes into pieces. */
export function watchCalls(watch: CallWatcher | undefined, bytesOfAWrite = 1 << 20): void {
  watcher = watch
  piece = bytesOfAWrite
}

/**
 * Writes `content` so that a reader, at any moment and after any crash, finds the old file or the new one: a temporary file in
 * the same folder, fsync, rename, fsync of the folder. Throws FileError (disk full, no permission, no such folder) and
 * leaves no temporary file behind.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`)
  let file: FileHandle | undefined
  try {
    watcher?.('open', temporary)
    file = await open(temporary, 'wx')
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    for (let at = 0; at < bytes.length; ) {
      watcher?.('write', temporary)
      at += (await file.write(bytes, at, Math.min(piece, bytes.length - at), at)).bytesWritten
    }
    watcher?.('sync', temporary)
    await file.sync()
    watcher?.('close', temporary)
    await file.close()
    file = undefined
    watcher?.('rename', path)
    await rename(temporary, path)
  } catch (cause) {
    await file?.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw writeError(path, cause as NodeJS.ErrnoException)
  }
  watcher?.('sync folder', folder)
  await syncFolder(folder)
}

/** Removes a file; one that is not there already was. Throws FileError. */
export async function removeFile(path: string): Promise<void> {
  try {
    watcher?.('unlink', path)
    await unlink(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw writeError(path, cause as NodeJS.ErrnoException)
  }
}

/** Whether a name is that of a file that `writeFileAtomic` never finished, and whose process is gone (or is this one). */
export function isLeftover(name: string): boolean {
  const owner = /^\..*\.(\d+)-[0-9a-f]{8}\.tmp$/.exec(name)?.[1]
  if (owner === undefined) return false
  if (Number(owner) === process.pid) return true
  try {
    process.kill(Number(owner), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/**
 * Makes and returns `base/NAME-001`, or the next number that is free: one above the highest in use. Two processes that ask at the
 * same time get different folders. Characters that are unsafe in file names become '-'.
 */
export async function createRunFolder(base: string, name: string): Promise<string> {
  const safe = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '') || 'run'
  try {
    await makeFolders(base)
    let next = 1 + Math.max(0, ...(await readdir(base)).map((entry) => runNumber(entry, safe)))
    for (;;) {
      const folder = join(base, `${safe}-${String(next++).padStart(3, '0')}`)
      try {
        // Not recursive: mkdir then fails when another process was quicker, which is what makes the number ours.
        await mkdir(folder)
        return folder
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
      }
    }
  } catch (cause) {
    throw writeError(join(base, safe), cause as NodeJS.ErrnoException)
  }
}

/** Makes `path`, which must not exist or be empty: what `--output` asks for. */
export async function createOutputFolder(path: string): Promise<string> {
  try {
    await makeFolders(path)
    if ((await readdir(path)).length === 0) return path
  } catch (cause) {
    throw writeError(path, cause as NodeJS.ErrnoException)
  }
  throw new FileError('write', `the folder ${path} is not empty`, {
    hint: 'Name another folder; nothing is overwritten.',
  })
}

/** Makes a folder and those around it that are missing. Node's own way to do so never ends in /proc. */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    await makeFolders(parent)
    await mkdir(path).catch((cause: NodeJS.ErrnoException) => {
      // Another process may have made it in between.
      if (cause.code !== 'EEXIST') throw cause
    })
  }
}

function runNumber(entry: string, name: string): number {
  const digits = entry.startsWith(`${name}-`) ? entry.slice(name.length + 1) : ''
  return /^\d{3,9}$/.test(digits) ? Number(digits) : 0
}

/** Puts the rename itself on the disk. Some systems cannot sync a folder; there the rename is all one gets. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => {})
  await handle?.close().catch(() => {})
}

export function writeError(path: string, cause: NodeJS.ErrnoException): FileError {
  const faults: Record<string, string> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EACCES: 'no permission',
    EPERM: 'no permission',
    EROFS: 'the file system is read-only',
    ENOENT: 'the folder does not exist',
    ENOTDIR: 'a part of the path is a file, not a folder',
    EISDIR: 'there is a folder of that name',
    EEXIST: 'a file of that name is in the way',
    ENAMETOOLONG: 'the name is too long',
  }
  return new FileError('write', `cannot write ${path}: ${faults[cause.code ?? ''] ?? cause.message}`, { cause })
}
