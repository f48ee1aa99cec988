/** Before every test file: random properties are seeded, so that a failure is the same tomorrow. */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20261124) })
