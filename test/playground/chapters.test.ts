/**
 * The playground's chapters: each claim holds on three seeds, by the figures that the page shows. And settings survive the way through
 * a URL.
 */
import { describe, expect, it } from 'vitest'
import { chapters } from '../../playground/src/chapters/index.js'
import { settingsOf } from '../../playground/src/lesson/chapter.js'
import { dataKinds, defaults, fromHash, toHash } from '../../playground/src/lesson/settings.js'
import { verify } from '../../playground/src/lesson/verify.js'

describe.each(chapters)('$id', (chapter) => {
  it.each([1, 2, 3])('seed %i', async (seed) => {
    const { holds, columns, figures } = await verify(chapter, seed)
    const table = [columns, ...figures.map(({ label, values }) => [label, ...values])].map((row) => row.join(' | '))
    expect(holds, table.join('\n')).toBe(true)
  })

  it('has settings that a URL holds', () => {
    for (const run of chapter.runs) {
      const settings = settingsOf(chapter, run, 7)
      expect(fromHash(toHash(settings))).toEqual(settings)
    }
  })
})

describe('a URL', () => {
  it.each(dataKinds)('holds %s', (kind) => {
    const settings = {
      ...defaults,
      data: { ...defaults.data, kind },
      training: { ...defaults.training, loss: 'L1' as const },
    }
    expect(fromHash(`#${toHash(settings)}`)).toEqual(settings)
  })

  it.each([
    'data=mars',
    'rate=0',
    'rate=',
    'layers=16tan',
    'layers=999relu',
    'batch=1.5',
    'seed=-1',
    'x=%',
    '=&&=#',
  ])('with faults is the default: %s', (text) => expect(fromHash(text)).toEqual(defaults))
})
