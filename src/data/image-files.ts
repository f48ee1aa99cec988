/**
 * @file Which images a folder has, by class and part. In: a path. Out: classes, and for train, validation and test the files with
 * their labels; errors that name what is missing. No image is opened.
 *
 *   folder/class/....png                     or with parts: folder/train/class/....png, folder/validation/..., folder/test/...
 */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError } from '../base/errors.js'
import { imageEndings } from './image-header.js'

export type PartName = 'train' | 'validation' | 'test'

/** Files and their classes, in order of class and name. */
export interface ImageFiles {
  readonly files: readonly string[]
  readonly labels: Int32Array
}

export interface FoundImages {
  /** In order of their names, as text: '10' comes before '2'. */
  readonly classes: readonly string[]
  readonly parts: { readonly [K in PartName]?: ImageFiles }
  /** What is not wrong but should be known. */
  readonly warnings: readonly string[]
}

/** Names that folders of parts have. */
const partNames: { readonly [name: string]: PartName } = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  test: 'test',
  testing: 'test',
}

const isImage = (name: string): boolean => imageEndings.some((ending) => name.toLowerCase().endsWith(ending))

/** Throws FileError for folders that are missing or cannot be read, classes without images, and such as only a test part has. */
export async function findImages(folder: string): Promise<FoundImages> {
  const listed = await listing(folder)
  const { folders } = listed
  const trains = folders.filter((name) => partNames[name.toLowerCase()] === 'train')
  // A class may be called train as well: the folder of a part has folders of classes.
  const parted = trains.length > 0 && (await listing(join(folder, trains[0]!))).folders.length > 0
  if (!parted) {
    const found = await findClasses(folder, listed, true)
    return { classes: found.classes, parts: { train: found }, warnings: [] }
  }
  const strange = folders.filter((name) => !partNames[name.toLowerCase()])
  if (strange.length > 0)
    throw folderFault(folder, `has ${strange.join(', ')} beside ${trains[0]}, which is no part of data`, {
      hint: 'Parts are called train, validation and test; move other folders elsewhere, or classes into the parts.',
    })
  const names = new Map<PartName, string>()
  for (const name of folders) {
    const part = partNames[name.toLowerCase()]!
    if (names.has(part))
      throw folderFault(folder, `has both ${names.get(part)} and ${name}, which are ${part} data`, {
        hint: 'Join them.',
      })
    names.set(part, name)
  }
  return together(folder, names)
}

/** All parts, with the classes of the first. */
async function together(folder: string, names: ReadonlyMap<PartName, string>): Promise<FoundImages> {
  const own = async (part: PartName) => {
    const path = join(folder, names.get(part)!)
    return findClasses(path, await listing(path), part === 'train')
  }
  const train = await own('train')
  const { classes } = train
  const parts: { [K in PartName]?: ImageFiles } = { train }
  const warnings: string[] = []
  for (const part of ['validation', 'test'] as const) {
    if (!names.has(part)) continue
    const found = await own(part)
    const unknown = found.classes.filter((name) => !classes.includes(name))
    if (unknown.length > 0)
      throw folderFault(
        join(folder, names.get(part)!),
        `has ${unknown.length === 1 ? 'a class' : 'classes'} that the training data do not have: ${unknown.join(', ')}`,
        { hint: `What is never seen cannot be learned. Those of training are ${few(classes)}.` },
      )
    const absent = classes.filter((name) => !found.classes.includes(name))
    if (absent.length > 0) warnings.push(`${part} has no images of ${few(absent)}`)
    const numbers = found.classes.map((name) => classes.indexOf(name))
    parts[part] = { files: found.files, labels: found.labels.map((label) => numbers[label]!) }
  }
  return { classes, parts, warnings }
}

const few = (names: readonly string[]): string =>
  names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`

async function findClasses(
  folder: string,
  { folders: classes, names, images: loose }: Listing,
  learns: boolean,
): Promise<ImageFiles & { readonly classes: readonly string[] }> {
  if (classes.length === 0 && loose === 0 && names.length > 0)
    throw folderFault(folder, `has no folders of images, but ${few(names)}`, {
      hint: `Is it a table or a text? Then name the file: ${join(folder, names[0]!)}. Images go into a folder for each class: ${join(folder, 'cat', '1.png')}.`,
    })
  if (classes.length === 0)
    throw folderFault(folder, loose > 0 ? `has ${loose} images, which are in no folder of a class` : 'is empty', {
      hint: `Put the images of each class into a folder of its name: ${join(folder, 'cat', '1.png')}.`,
    })
  if (classes.length === 1 && learns)
    throw folderFault(folder, `has one class only, ${classes[0]}`, {
      hint: 'There is nothing to tell apart: name the folder above, or add a second class.',
    })
  const files: string[] = []
  const labels: number[] = []
  const empty: string[] = []
  for (const [label, name] of classes.entries()) {
    const own = await below(join(folder, name))
    if (own.images.length === 0)
      empty.push(own.others > 0 ? `${name} (${own.others} files that do not end in ${imageEndings.join(', ')})` : name)
    for (const file of own.images) {
      files.push(file)
      labels.push(label)
    }
  }
  if (empty.length > 0)
    throw folderFault(folder, `has no images in ${empty.length === 1 ? 'the class' : 'the classes'} ${few(empty)}`, {
      hint: 'Put some there, or remove the folder.',
    })
  return { classes, files, labels: Int32Array.from(labels) }
}

/** Images below a folder, however deep. */
async function below(folder: string, depth = 0): Promise<{ images: string[]; others: number }> {
  if (depth > 32) throw folderFault(folder, 'is nested more than 32 deep', { hint: 'Is there a link to itself?' })
  const { folders, names } = await listing(folder)
  const images = names.filter(isImage).map((name) => join(folder, name))
  let others = names.length - images.length
  for (const name of folders) {
    const inner = await below(join(folder, name), depth + 1)
    images.push(...inner.images)
    others += inner.others
  }
  return { images, others }
}

/** What a folder has, in order of the names; what begins with a dot or two underscores belongs to systems. */
interface Listing {
  readonly folders: string[]
  /** Of files. */
  readonly names: string[]
  /** How many of them are images. */
  readonly images: number
}

async function listing(folder: string): Promise<Listing> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    throw folderError(folder, cause as NodeJS.ErrnoException)
  }
  const folders: string[] = []
  const names: string[] = []
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name.startsWith('__')) continue
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(folder, entry.name)))))
      folders.push(entry.name)
    else names.push(entry.name)
  }
  const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return { folders: folders.sort(inOrder), names: names.sort(inOrder), images: names.filter(isImage).length }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  )

const folderFault = (folder: string, fault: string, details: { readonly hint: string }): FileError =>
  new FileError('imageFolder', `the folder ${folder} ${fault}`, details)

function folderError(folder: string, cause: NodeJS.ErrnoException): FileError {
  if (cause.code === 'ENOENT') return new FileError('imageFolder', `there is no folder ${folder}`, { cause })
  if (cause.code === 'ENOTDIR')
    return new FileError('imageFolder', `${folder} is a file, not a folder of images by class`, { cause })
  if (cause.code === 'EACCES')
    return new FileError('imageFolder', `the folder ${folder} may not be read`, { cause, hint: `chmod +rx ${folder}` })
  return new FileError('imageFolder', `the folder ${folder} cannot be read (${cause.message})`, { cause })
}
