/** Our SHA-256 is Node's, at every length around the blocks, in pieces, and of the standard's own examples. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Sha256, sha256 } from '../../src/io/sha256.js'

test('FIPS 180-4', () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  expect([sha256('abc'), new Sha256(true).update('abc').hex()]).toEqual([abc, abc])
})

test("ours is Node's", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 4 }), (pieces) => {
      const [ours, theirs] = [new Sha256(true), createHash('sha256')]
      for (const piece of pieces) {
        ours.update(piece)
        theirs.update(piece)
      }
      expect(ours.hex()).toBe(theirs.digest('hex'))
    }),
  )
})
