/**
 * @file The cache of compiled objects: a private folder, a checksum beside each object, and limits.
 * In: a key, and what compiles. Out: the path of an object that is whole and ours.
 *
 * Code from a file is code that runs: the folder must be ours alone, and each object is checked against the checksum
 * beside it before it is loaded. What fails the check is made anew. Several processes use the folder at once: each
 * writes files of its own and renames them; each finds out by the checksum whether an object is there; one that was
 * removed between the look and the loading is made again.
 */
import { environment } from '../base/environment.js'
import { NativeUnavailable, node } from './native-host.js'

/** An object's places; it is there when both are. */
export interface Place {
  readonly object: string
  readonly checksum: string
}

/** Objects may take so many bytes together, and stay so long unused; then those unused for longest go. */
export const limits = {
  bytes: 256 * 1024 * 1024,
  unusedMs: 90 * 24 * 3600_000,
  /** What was used within this time stays, whatever the others take: it is being built, or just loaded. */
  inUseMs: 3600_000,
}

/** The folder of compiled objects: GRADUS_CACHE, or `gradus` in the user's cache folder. Made if it is missing. */
export function cacheFolder(): string {
  const { fs, os, path } = node()
  const given = environment('GRADUS_CACHE')
  const base = environment('XDG_CACHE_HOME') ?? path.join(os.homedir(), '.cache')
  const folder = path.resolve(given ?? path.join(base, 'gradus'))
  const refuse = (fault: string): never => {
    const which = given === undefined ? `the cache folder ${folder}` : `GRADUS_CACHE is ${folder}, which`
    throw new NativeUnavailable(given === undefined ? 'native' : 'environment', `${which} ${fault}`, {
      hint: 'Code is loaded from it: it must be a folder that belongs to you alone (chmod 700). Name another in GRADUS_CACHE.',
    })
  }
  try {
    makeFolder(folder)
  } catch (error) {
    refuse(`cannot be made (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`)
  }
  const stat = fs.lstatSync(folder)
  if (!stat.isDirectory()) refuse('is no folder')
  const user = process.getuid?.()
  if (user !== undefined && stat.uid !== user) refuse('belongs to somebody else')
  if (user !== undefined && (stat.mode & 0o077) !== 0) refuse('is open to others')
  return folder
}

/** One folder after another: Node's own way to make them all at once never ends in /proc. */
function makeFolder(folder: string): void {
  const { fs, path } = node()
  const missing: string[] = []
  for (let at = folder; !fs.existsSync(at); at = path.dirname(at)) missing.push(at)
  for (const one of missing.reverse())
    try {
      fs.mkdirSync(one, { mode: 0o700 })
    } catch (error) {
      // Another process was faster, or a broken link stands there, which the caller sees.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
}

export const sha256 = (data: string | Uint8Array): string =>
  node().crypto.createHash('sha256').update(data).digest('hex')

/** Where the object of a key (a checksum in hexadecimal) is, or will be. */
export function placeOf(key: string): Place {
  const { path } = node()
  const folder = cacheFolder()
  return { object: path.join(folder, `${key}.so`), checksum: path.join(folder, `${key}.sha256`) }
}

/** Ours, plain files, with the checksum that was written beside it, and not cut short. Marks it as used. */
export function isIntact({ object, checksum }: Place): boolean {
  const { fs } = node()
  try {
    const user = process.getuid?.()
    for (const one of [object, checksum]) {
      const stat = fs.lstatSync(one)
      if (!stat.isFile() || (user !== undefined && (stat.uid !== user || (stat.mode & 0o022) !== 0))) return false
    }
    const bytes = fs.readFileSync(object)
    if (fs.readFileSync(checksum, 'utf8') !== sha256(bytes) || !isWhole(bytes)) return false
    touch(checksum)
    return true
  } catch {
    return false
  }
}

/** Of ELF objects: whether the file reaches as far as its header says. To load a shorter one would end the process. */
export function isWhole(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isElf = bytes.length >= 4 && view.getUint32(0) === 0x7f454c46
  if (!isElf) return true
  // 64 bits, the lesser byte first: all that Gradus is built for. The table of sections is what linkers write last.
  if (bytes.length < 64) return false
  if (bytes[4] !== 2 || bytes[5] !== 1) return true
  const sections = Number(view.getBigUint64(40, true))
  return sections + view.getUint16(58, true) * view.getUint16(60, true) <= bytes.length
}

/** The last use is the checksum's time of change: the system's times of access are often switched off. */
function touch(checksum: string): void {
  const now = new Date()
  try {
    node().fs.utimesSync(checksum, now, now)
  } catch {
    // A folder that may only be read: nothing is removed from it either.
  }
}

/** Makes an object by `build`, which writes the file it is given; what stands in its place goes. */
export function store({ object, checksum }: Place, build: (file: string) => void): void {
  const { fs, crypto } = node()
  const own = `${object}.${process.pid}.${crypto.randomBytes(6).toString('hex')}`
  try {
    build(own)
    fs.chmodSync(own, 0o600)
    fs.writeFileSync(`${own}.sha256`, sha256(fs.readFileSync(own)), { mode: 0o600 })
    // The checksum last: without it the object counts as absent. What stands in the way goes first.
    fs.rmSync(checksum, { force: true, recursive: true })
    fs.rmSync(object, { force: true, recursive: true })
    fs.renameSync(own, object)
    fs.renameSync(`${own}.sha256`, checksum)
  } finally {
    fs.rmSync(own, { force: true })
    fs.rmSync(`${own}.sha256`, { force: true })
  }
  prune(object)
}

/** How often a process looks for what may go. */
const pruneEveryMs = 600_000
let pruned = Number.NEGATIVE_INFINITY

function prune(stored: string): void {
  if (performance.now() - pruned < pruneEveryMs) return
  pruned = performance.now()
  try {
    pruneFolder(node().path.dirname(stored))
  } catch {
    // A cache that cannot be tidied is still a cache.
  }
}

const objectName = /^[0-9a-f]{64}\.so$/
/** What a process leaves that is killed while it compiles. */
const leftoverName = /^(?:[0-9a-f]{64}\.so\.\d+\.[0-9a-f]{12}(?:\.sha256)?|\d+\.[0-9a-f]{12}\.c)$/

/**
 * Removes the objects unused for longest, until the rest are within the limits, and what killed processes have left.
 * Never what was used within the hour, nor what is not the cache's own. A process that has loaded an object keeps it,
 * whether its file is there or not.
 */
export function pruneFolder(folder: string, { bytes, unusedMs, inUseMs } = limits): void {
  const { fs, path } = node()
  const now = Date.now()
  const objects: { place: Place; bytes: number; used: number }[] = []
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name)
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    if (!stat) continue
    if (objectName.test(name)) {
      const place = { object: file, checksum: file.replace(/so$/, 'sha256') }
      objects.push({ place, bytes: stat.size, used: lastUse(place) ?? stat.mtimeMs })
    } else if (leftoverName.test(name) && now - stat.mtimeMs > inUseMs) fs.rmSync(file, { force: true })
  }
  objects.sort((a, b) => a.used - b.used)
  let total = objects.reduce((sum, object) => sum + object.bytes, 0)
  for (const { place, bytes: size, used } of objects) {
    const unused = now - used
    if (unused <= inUseMs || (total <= bytes && unused <= unusedMs)) break
    // Another process may have used it since it was listed.
    if ((lastUse(place) ?? used) !== used) continue
    // The checksum first: without it the object counts as absent.
    fs.rmSync(place.checksum, { force: true, recursive: true })
    fs.rmSync(place.object, { force: true, recursive: true })
    total -= size
  }
}

const lastUse = ({ checksum }: Place): number | undefined =>
  node().fs.lstatSync(checksum, { throwIfNoEntry: false })?.mtimeMs
