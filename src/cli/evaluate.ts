/**
 * @file `gradus evaluate RUN [FILE]`: the scores of a trained network. In: a run's folder, perhaps data. Out: scores, or with --json
 * one object { run, data, rows, scores }.
 */
import { openRun } from './open-run.js'
import { bold, plural, say } from './output.js'
import type { EvaluateCommand } from './trained.js'

export async function evaluateRun(folder: string, file: string | undefined, command: EvaluateCommand): Promise<number> {
  const run = await openRun(folder)
  const { data, rows, scores, report } = await run.evaluate(file, command)
  if (command.json) console.log(JSON.stringify({ run: folder, data, rows, scores }))
  else
    say(
      `${bold('Scores'.padEnd(9))} of ${folder} on ${data}${rows === undefined ? '' : `, ${plural(rows, 'row')}`}`,
      ...report,
    )
  return 0
}
