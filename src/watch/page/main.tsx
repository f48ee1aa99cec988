/**
 * @file The run page: a list of runs, six views of them, shortcuts. In: what the server tells. Out: the page.
 */
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { Component, type ComponentChildren, render } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { RunDetail } from '../api.js'
import { AboutView, StepView } from './about-view.js'
import { CompareView } from './compare-view.js'
import { CurvesView } from './curves-view.js'
import { LayersView } from './layers-view.js'
import { connect } from './live.js'
import { useOfRun } from './load.js'
import { colourOf } from './palette.js'
import { ResultsView } from './results-view.js'
import { RunsList, State } from './runs-list.js'
import { keyDown, shortcuts } from './shortcuts.js'
import { nextTheme, set, useStore, type View, views } from './store.js'

const names: { readonly [view in View]: string } = {
  curves: 'Curves',
  compare: 'Compare',
  results: 'Results',
  layers: 'Layers',
  step: 'Step',
  about: 'About',
}

const connections = { connecting: 'connecting', live: 'live', lost: 'no server, trying again' }

function Header() {
  const folder = useStore((all) => all.folder)
  const connection = useStore((all) => all.connection)
  const theme = useStore((all) => all.theme)
  const drawer = useStore((all) => all.drawer)
  const count = useStore((all) => all.runs.length)
  const shown = useStore((all) => all.shown.length)
  return (
    <header class="top">
      <h1>
        <img src="/icon.svg" alt="" width="22" height="22" /> Gradus
      </h1>
      <span class="folder">{folder}</span>
      <span class={`connection ${connection}`} role="status">
        <i aria-hidden="true" />
        {connections[connection]}
      </span>
      <span class="grow" />
      <button
        type="button"
        class="drawer"
        aria-expanded={drawer}
        aria-controls="runs"
        onClick={() => set({ drawer: !drawer })}
      >
        Runs {shown}/{count}
      </button>
      <button type="button" onClick={nextTheme}>
        <span aria-hidden="true">{theme === 'auto' ? '◐' : theme === 'dark' ? '●' : '○'}</span>
        <span class="hidden">Theme:</span> <span class="word">{theme}</span>
      </button>
      <button type="button" aria-label="Shortcuts" onClick={() => set({ help: true })}>
        ?
      </button>
    </header>
  )
}

function Tabs() {
  const view = useStore((all) => all.view)
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const next = views[(views.indexOf(view) + step + views.length) % views.length]!
    set({ view: next })
    document.getElementById(`tab-${next}`)?.focus()
    event.preventDefault()
  }
  return (
    <div class="tabs" role="tablist" aria-label="Views" onKeyDown={keys}>
      {views.map((one) => (
        <button
          key={one}
          type="button"
          role="tab"
          id={`tab-${one}`}
          aria-selected={view === one}
          aria-controls="view"
          tabIndex={view === one ? 0 : -1}
          onClick={() => set({ view: one })}
        >
          {names[one]}
        </button>
      ))}
    </div>
  )
}

/** A view that fails, over a file that says something odd, leaves the others as they are. */
class Boundary extends Component<{ readonly children: ComponentChildren }, { readonly fault?: string }> {
  override state: { readonly fault?: string } = {}
  override componentDidCatch(error: unknown) {
    this.setState({ fault: String(error) })
  }
  render() {
    const { fault } = this.state
    return fault === undefined ? this.props.children : <p class="problem">This cannot be drawn: {fault}</p>
  }
}

/** Views of the one run that is focused. */
function OfRun({ view }: { readonly view: View }) {
  const focus = useStore((all) => all.focus)
  const dark = useStore((all) => all.dark)
  const detail = useOfRun<RunDetail>('/api/run', focus)
  if (focus === undefined) return <p class="empty">Choose a run in the list.</p>
  if (!detail) return <p class="empty">Reading {focus}…</p>
  return (
    <div>
      <h2 class="run" style={{ '--colour': colourOf(focus, dark) }}>
        <i aria-hidden="true" />
        {focus} <State run={detail.summary} />
      </h2>
      {view === 'results' ? (
        <ResultsView detail={detail} />
      ) : view === 'layers' ? (
        <LayersView detail={detail} />
      ) : view === 'step' ? (
        <StepView detail={detail} />
      ) : (
        <AboutView detail={detail} />
      )}
    </div>
  )
}

function NoRuns() {
  const folder = useStore((all) => all.folder)
  const problem = useStore((all) => all.problem)
  return (
    <div class="nothing">
      <h2>No runs yet</h2>
      <p>
        Nothing in <code>{folder}</code> is a run{problem ? `: ${problem}` : ''}. Begin one in another terminal:
      </p>
      <pre>npx gradus train digits</pre>
      <p>It appears here by itself with its first steps.</p>
    </div>
  )
}

function Help() {
  const open = useStore((all) => all.help)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal()
    if (!open && dialog.current?.open) dialog.current.close()
  }, [open])
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => set({ help: false })}>
      <h2 id="help-title">Shortcuts</h2>
      <dl>
        {shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => set({ help: false })}>
        Close
      </button>
    </dialog>
  )
}

/** Tells those who do not see it what happens: ends of runs, a lost server. */
function Announcements() {
  const runs = useStore((all) => all.runs)
  const before = useRef(new Map<string, string>())
  const text = useRef('')
  const news = runs.flatMap((run) => {
    const old = before.current.get(run.name)
    if (old === undefined) return before.current.size > 0 ? [`${run.name} has begun`] : []
    return old !== run.state ? [`${run.name}: ${run.state}`] : []
  })
  if (news.length > 0) text.current = news.slice(0, 3).join('. ')
  before.current = new Map(runs.map((run) => [run.name, run.state]))
  return (
    <div class="hidden" aria-live="polite">
      {text.current}
    </div>
  )
}

function App() {
  const view = useStore((all) => all.view)
  const known = useStore((all) => all.known)
  const empty = useStore((all) => all.runs.length === 0)
  useEffect(() => {
    document.addEventListener('keydown', keyDown)
    connect()
    return () => document.removeEventListener('keydown', keyDown)
  }, [])
  return (
    <>
      <Header />
      <div class="page">
        {known && empty ? null : <RunsList />}
        <main>
          {known && empty ? (
            <NoRuns />
          ) : (
            <>
              <Tabs />
              <div id="view" role="tabpanel" aria-labelledby={`tab-${view}`}>
                <Boundary key={view}>
                  {!known ? (
                    <p class="empty">Connecting…</p>
                  ) : view === 'curves' ? (
                    <CurvesView />
                  ) : view === 'compare' ? (
                    <CompareView />
                  ) : (
                    <OfRun view={view} />
                  )}
                </Boundary>
              </div>
            </>
          )}
        </main>
      </div>
      <Help />
      <Announcements />
    </>
  )
}

render(<App />, document.getElementById('app')!)
