/** @file A chapter of the lecture: its claim, the runs that test it, the verdict, the program. In: the chapter. Out: the view. */
import { useEffect, useMemo } from 'preact/hooks'
import { chapters } from '../chapters/index.js'
import { type Chapter, settingsOf } from '../lesson/chapter.js'
import type { SurfaceName } from '../lesson/surface.js'
import { CodeBlock } from './code-block.js'
import { ask, hashOf, isDark, test, useStore } from './store.js'
import { Surface } from './surface.js'

function VerdictTable({ chapter }: { readonly chapter: Chapter }) {
  const trial = useStore((all) => all.trials[chapter.id])
  const running = trial?.progress
  return (
    <section class="trial">
      <div class="buttons">
        {[1, 2, 3].map((seed) => (
          <button
            key={seed}
            type="button"
            class={seed === 1 ? 'main' : ''}
            disabled={running !== undefined}
            onClick={() => test(chapter.id, seed)}
          >
            {seed === 1 ? 'Test the claim' : `with seed ${seed}`}
          </button>
        ))}
        <span role="status">
          {running ? `training${running.label ? `: ${running.label}, epoch ${running.epoch}` : ''}` : ''}
        </span>
      </div>
      {trial?.verdict && (
        <table data-test="verdict" data-seed={trial.seed} data-holds={trial.verdict.holds}>
          <caption>
            <strong class={trial.verdict.holds ? 'good' : 'bad'}>
              {trial.verdict.holds ? 'The claim holds' : 'The claim does not hold'}
            </strong>{' '}
            with seed {trial.seed}.
          </caption>
          <thead>
            <tr>
              {trial.verdict.columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {trial.verdict.figures.map(({ label, values }) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {values.map((value, i) => (
                  <td key={i}>{value}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

function Descents({ chapter }: { readonly chapter: Chapter }) {
  const paths = useStore((all) => all.paths)
  const dark = useStore(isDark)
  useEffect(() => {
    for (const { label, surface, ...settings } of chapter.descents)
      ask({ kind: 'descend', label, surface, settings: { ...settings, seed: 1 } })
  }, [chapter])
  const names = [...new Set(chapter.descents.map(({ surface }) => surface))]
  return (
    <div class="surfaces">
      {names.map((name) => (
        <OneSurface key={name} name={name} chapter={chapter} paths={paths} isDark={dark} />
      ))}
    </div>
  )
}

function OneSurface(props: {
  readonly name: SurfaceName
  readonly chapter: Chapter
  readonly paths: ReturnType<typeof useStore<{ readonly [label: string]: import('../lesson/surface.js').Path }>>
  readonly isDark: boolean
}) {
  const { name, chapter, paths, isDark: dark } = props
  const shown = useMemo(
    () =>
      chapter.descents.flatMap(({ label, surface }) => {
        const path = surface === name ? paths[label] : undefined
        return path ? [{ label, path }] : []
      }),
    [name, chapter, paths],
  )
  return <Surface name={name} paths={shown} isDark={dark} />
}

export function ChapterView({ id }: { readonly id: string }) {
  const at = chapters.findIndex((one) => one.id === id)
  const chapter = chapters[at]!
  const [before, after] = [chapters[at - 1], chapters[at + 1]]
  return (
    <main class="chapter">
      <nav class="contents" aria-label="Chapters">
        <ol>
          {chapters.map((one) => (
            <li key={one.id}>
              <a href={`#/chapters/${one.id}`} aria-current={one.id === id ? 'page' : undefined}>
                {one.title}
              </a>
            </li>
          ))}
        </ol>
      </nav>
      <article>
        <h2>{chapter.title}</h2>
        <blockquote class="claim">{chapter.claim}</blockquote>
        {chapter.text.map((paragraph) => (
          <p key={paragraph}>{paragraph}</p>
        ))}
        {chapter.descents.length > 0 && <Descents chapter={chapter} />}
        <VerdictTable chapter={chapter} />
        {chapter.runs.length > 0 && (
          <p class="open">
            Open in the playground:{' '}
            {chapter.runs.map((run, i) => (
              <span key={run.label}>
                {i > 0 && ', '}
                <a href={hashOf(settingsOf(chapter, run, 1))}>{run.label}</a>
              </span>
            ))}
            {chapter.runs.length > 1 && (
              <>
                , or{' '}
                <a
                  href={hashOf(settingsOf(chapter, chapter.runs[0]!, 1), settingsOf(chapter, chapter.runs.at(-1)!, 1))}
                >
                  the first and the last side by side
                </a>
              </>
            )}
            .
          </p>
        )}
        <h3>Try</h3>
        <ul>
          {chapter.tries.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
        <CodeBlock title="With Gradus" text={chapter.code} />
        <nav class="turn" aria-label="Next and previous chapter">
          {before ? <a href={`#/chapters/${before.id}`}>← {before.title}</a> : <span />}
          {after ? <a href={`#/chapters/${after.id}`}>{after.title} →</a> : <a href="#/play">To the playground →</a>}
        </nav>
      </article>
    </main>
  )
}
