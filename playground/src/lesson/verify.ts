/**
 * @file Tests a chapter's claim. In: a chapter and a seed. Out: its verdict.
 *
 * const { holds, figures } = await verify(learningRate, 1)
 */
import { type Chapter, type DescentResult, type RunResult, settingsOf, type Verdict } from './chapter.js'
import { descend } from './descent.js'
import { type Snapshot, Training } from './training.js'

/** Updates between two looks at whether to go on. */
const stride = 200

/** Runs all that a chapter compares, and judges. `watch` sees each run as it goes. */
export async function verify(
  chapter: Chapter,
  seed: number,
  watch: (label: string, snapshot: Snapshot) => void | Promise<void> = () => {},
): Promise<Verdict> {
  const runs: RunResult[] = []
  for (const run of chapter.runs) {
    const training = new Training(settingsOf(chapter, run, seed))
    await training.advance(1)
    const first = await training.snapshot()
    while (training.status === 'running') {
      await training.advance(stride)
      await watch(run.label, await training.snapshot())
    }
    runs.push({ label: run.label, first, last: await training.snapshot() })
  }
  const descents: DescentResult[] = []
  for (const { label, surface, ...settings } of chapter.descents)
    descents.push({ label, ...(await descend(surface, { ...settings, seed })) })
  return chapter.judge(runs, descents)
}
