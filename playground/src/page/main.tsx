/** @file The playground's page: a header, and the view that the URL names. */
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { render } from 'preact'
import { ChapterView } from './chapter-view.js'
import { DigitsView } from './digits-view.js'
import { PlayView } from './play-view.js'
import { hashOf, nextTheme, useStore } from './store.js'

function Header() {
  const place = useStore((all) => all.place)
  const theme = useStore((all) => all.theme)
  const settings = useStore((all) => all.settings)
  const other = useStore((all) => all.other)
  const current = (view: string) => (place.view === view ? 'page' : undefined)
  return (
    <header class="top">
      <h1>
        <img src="icon.svg" alt="" width="22" height="22" /> Gradus
      </h1>
      <nav aria-label="Parts of this page">
        <a href={hashOf(settings, other)} aria-current={current('play')}>
          Playground
        </a>
        <a href="#/chapters/four-steps" aria-current={current('chapters')}>
          The lecture
        </a>
        <a href="#/digits" aria-current={current('digits')}>
          Digits
        </a>
      </nav>
      <button type="button" onClick={nextTheme} aria-label={`Theme: ${theme}`}>
        <span aria-hidden="true">{theme === 'auto' ? '◐' : theme === 'dark' ? '●' : '○'}</span>
      </button>
    </header>
  )
}

function App() {
  const place = useStore((all) => all.place)
  const failure = useStore((all) => all.failure)
  return (
    <>
      <Header />
      {failure && (
        <p class="failure" role="alert">
          {failure}
        </p>
      )}
      {place.view === 'chapters' ? (
        <ChapterView key={place.chapter} id={place.chapter} />
      ) : place.view === 'digits' ? (
        <DigitsView />
      ) : (
        <PlayView />
      )}
    </>
  )
}

render(<App />, document.getElementById('app')!)
