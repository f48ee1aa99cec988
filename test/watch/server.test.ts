/**
 * The run page's server without a browser: whom it refuses, and that its answers are what the files say, whatever happens to them.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// @ts-expect-error a script, without types
import { buildPage } from '../../scripts/build-page.mjs'
import type { Curves, RunDetail, RunList } from '../../src/watch/api.js'
import { Points } from '../../src/watch/points.js'
import { type Watch, watchRuns } from '../../src/watch/server.js'
import { eventLine, makeRun, random } from '../support/made-runs.js'

const place = mkdtempSync(join(tmpdir(), 'gradus-watch-'))
const folder = join(place, 'runs')
const secret = join(place, 'secret.png')
let watch: Watch
beforeAll(async () => {
  await (buildPage as (folder: string) => Promise<void>)(join(place, 'page/'))
  writeFileSync(secret, 'secret')
  watch = await watchRuns({ folder, port: 0, page: join(place, 'page/'), interval: 50 })
})
afterAll(async () => {
  await watch.close()
  rmSync(place, { recursive: true, force: true })
})

/** Bytes on the wire: no client tidies the path or adds headers. */
function raw(target: string, headers: readonly string[] = [`Host: 127.0.0.1:${watch.port}`], method = 'GET') {
  return new Promise<{ status: number; head: string; body: string }>((done, fail) => {
    const socket = connect(watch.port, '127.0.0.1', () => {
      socket.write([`${method} ${target} HTTP/1.1`, ...headers, 'Connection: close', '', ''].join('\r\n'))
    })
    let text = ''
    socket.setEncoding('latin1').on('data', (data) => {
      text += data
    })
    socket.on('error', fail).on('end', () => {
      const [head, ...body] = text.split('\r\n\r\n')
      done({ status: Number(head!.split(' ')[1]), head: head!, body: body.join('\r\n\r\n') })
    })
  })
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${watch.port}${path}`)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as T
}
const summaries = async () => (await ask<RunList>('/api/runs')).runs
const curves = (query: string) => ask<Curves>(`/api/curves?${query}`)

test('a folder that is not there yet is empty, and says so', async () => {
  expect(await ask('/api/runs')).toEqual({ folder, problem: 'the folder is not there yet', runs: [] })
})

describe('refusals', () => {
  const host = () => `Host: 127.0.0.1:${watch.port}`
  test.each([
    ['a foreign Host', () => ['Host: evil.example'], 403],
    ['a foreign Host with our port', () => [`Host: evil.example:${watch.port}`], 403],
    ['a name that begins like ours', () => ['Host: 127.0.0.1.evil.example'], 403],
    ['an address of the network', () => ['Host: 192.168.0.7'], 403],
    ['no Host', () => [], 400],
    ['another Origin', () => [host(), 'Origin: https://evil.example'], 403],
    ['Origin null, of a sandboxed frame', () => [host(), 'Origin: null'], 403],
    ['an Origin of another port here', () => [host(), 'Origin: http://127.0.0.1:1'], 403],
    ['a cross-site fetch', () => [host(), 'Sec-Fetch-Site: cross-site'], 403],
    ['a same-site fetch, of another port', () => [host(), 'Sec-Fetch-Site: same-site'], 403],
  ])('%s', async (_, headers, status) => {
    for (const target of ['/', '/api/runs', '/live', '/page.js'])
      expect((await raw(target, headers())).status, target).toBe(status)
  })

  test('what is our own is answered', async () => {
    for (const headers of [
      [host()],
      [`Host: localhost:${watch.port}`],
      ['Host: [::1]:9999'],
      [host(), `Origin: http://127.0.0.1:${watch.port}`, 'Sec-Fetch-Site: same-origin'],
      [host(), 'Sec-Fetch-Site: none'],
    ])
      expect((await raw('/api/runs', headers)).status, headers.join()).toBe(200)
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'])('%s', async (method) => {
    const { status, head } = await raw('/api/runs', [`Host: localhost`], method)
    expect(status).toBe(405)
    expect(head).toContain('Allow: GET')
  })

  test.each([
    '/../package.json',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/./page.js',
    '/page.js%00.png',
    '/\\..\\..\\etc\\passwd',
    '/node_modules/uplot/package.json',
    '/page.ts',
    'http://evil.example/api/runs',
    '/api/constructor',
    '/api/__proto__',
    '/api/run',
    '/api/run?run=../..',
    '/api/run?run=%2e%2e%2fsecret',
    '/api/curves?run=a&axis=constructor',
    '/api/curves?run=a&points=1e9',
    '/api/curves?run=a&smooth=2',
  ])('GET %s', async (target) => {
    const { status, body } = await raw(target)
    expect([400, 404]).toContain(status)
    expect(body).not.toMatch(/root:|secret|uplot/)
  })

  test('every answer has the headers of security', async () => {
    for (const target of ['/', '/page.js', '/api/runs', '/nothing', '/api/run']) {
      const { head } = await raw(target)
      expect(head).toMatch(/Content-Security-Policy: default-src 'none'; script-src 'self'/)
      expect(head).not.toMatch(/unsafe|Access-Control-Allow/)
      for (const name of [
        'nosniff',
        'X-Frame-Options: DENY',
        'no-referrer',
        'Cross-Origin-Resource-Policy: same-origin',
      ])
        expect(head).toContain(name)
    }
  })

  test('pictures are files of the run and nothing else', async () => {
    const run = makeRun(folder, { name: 'pictures', epochs: 1 })
    symlinkSync(secret, join(run.folder, 'pictures/link.png'))
    symlinkSync(place, join(run.folder, 'pictures/up'))
    writeFileSync(join(run.folder, 'run.png'), 'beside')
    mkdirSync(join(folder, 'linked'))
    symlinkSync(place, join(folder, 'linked/pictures'))
    writeFileSync(join(folder, 'linked/events.jsonl'), '')
    await summaries()
    const wrong = run.events.find((event) => event.kind === 'wrong')!
    const name = wrong.examples[0]!.picture!.replace('pictures/', '')
    const good = await fetch(`http://127.0.0.1:${watch.port}/picture?run=pictures&file=${name}`)
    expect(good.headers.get('content-type')).toBe('image/png')
    expect(new Uint8Array(await good.arrayBuffer())).toEqual(
      new Uint8Array(readFileSync(join(run.folder, 'pictures', name))),
    )
    for (const query of [
      'run=pictures&file=link.png',
      'run=pictures&file=up/secret.png',
      'run=pictures&file=../run.png',
      'run=pictures&file=..%2Frun.png',
      'run=pictures&file=%2e%2e/%2e%2e/%2e%2e/secret.png',
      `run=pictures&file=${secret}`,
      'run=pictures&file=nothing.png',
      'run=linked&file=secret.png',
      'run=..&file=secret.png',
      'run=nothing&file=link.png',
    ]) {
      const { status, body } = await raw(`/picture?${query}`)
      expect([status, body], query).toEqual([404, 'There is no such picture.'])
    }
  })

  test('links among the runs are not followed', async () => {
    const outside = makeRun(join(place, 'elsewhere'), { name: 'outside', epochs: 1, rich: false })
    symlinkSync(outside.folder, join(folder, 'link'))
    mkdirSync(join(folder, 'half'))
    symlinkSync(join(outside.folder, 'events.jsonl'), join(folder, 'half/events.jsonl'))
    const runs = await summaries()
    expect(runs.map(({ name }) => name)).not.toContain('link')
    expect(runs.find(({ name }) => name === 'half')).toMatchObject({ state: 'empty', epoch: 0, problem: /ELOOP/ })
  })

  test('a port in use: the next one', async () => {
    const other = await watchRuns({ folder, port: watch.port, page: join(place, 'page/') })
    expect(other.port).not.toBe(watch.port)
    await other.close()
  })
})

describe('answers', () => {
  test('curves are the events, on each axis', async () => {
    const run = makeRun(folder, { name: 'exact', epochs: 3, eventsPerEpoch: 10 })
    await summaries()
    const steps = run.events.filter((event) => event.kind === 'step')
    const epochs = run.events.filter((event) => event.kind === 'epoch')
    const by = (list: Curves) => Object.fromEntries(list.curves.map((curve) => [curve.name, curve]))
    const step = by(await curves('run=exact&axis=step'))
    for (const name of ['loss', 'learningRate', 'samplesPerSecond', 'gradientNorm', 'updateNorm'] as const)
      expect([step[name]!.x, step[name]!.y]).toEqual([steps.map((e) => e.step), steps.map((e) => e[name])])
    expect(step['validation.accuracy']!.y).toEqual(epochs.map((e) => e.validation!['accuracy']))
    expect(step['train.loss']!.x).toEqual(epochs.map((e) => e.step))
    const epoch = by(await curves('run=exact&axis=epoch'))
    expect(epoch['train.loss']!.x).toEqual([1, 2, 3])
    expect(epoch['loss']!.x.filter((x) => Number.isInteger(x))).toEqual([1, 2, 3])
    expect(epoch['loss']!.x).toEqual([...epoch['loss']!.x].sort((a, b) => a - b))
    const time = by(await curves('run=exact&axis=time'))
    const start = run.events[0]!.time
    expect(time['loss']!.x.map((x) => Math.round(1000 * x))).toEqual(steps.map((e) => Math.round(e.time - start)))
  })

  test('matrix, examples, histograms, profile, norms as they were written', async () => {
    const run = makeRun(folder, { name: 'details', epochs: 2 })
    await summaries()
    for (const kind of ['confusion', 'wrong', 'histogram'] as const)
      for (const epoch of [1, 2])
        expect(await ask(`/api/event?run=details&kind=${kind}&epoch=${epoch}`)).toEqual(
          run.events.find((event) => event.kind === kind && event.epoch === epoch),
        )
    const detail = await ask<RunDetail>('/api/run?run=details')
    expect(detail.profile).toEqual(run.events.find((event) => event.kind === 'profile'))
    const layers = run.events.findLast((event) => event.kind === 'layers')!
    expect(detail.layers).toMatchObject({ parameters: layers.layers, activations: layers.activations })
    expect(detail.network).toContain('relu')
    expect(detail.summary.configuration).toMatchObject({ 'optimizer.name': 'adamW', hidden: [256, 128] })
  })

  test('smoothing is the unbiased moving average of all values, also of those not sent', async () => {
    const run = makeRun(folder, { name: 'smooth', epochs: 20, eventsPerEpoch: 50, rich: false })
    await summaries()
    const { curves: all } = await curves('run=smooth&points=40&smooth=0.9')
    const loss = all.find(({ name }) => name === 'loss')!
    expect(loss.total).toBe(1000)
    expect(loss.x.length).toBeLessThan(60)
    let [sum, weights] = [0, 0]
    const expected = new Map<number, number>()
    for (const event of run.events)
      if (event.kind === 'step') {
        ;[sum, weights] = [0.9 * sum + event.loss, 0.9 * weights + 1]
        expected.set(event.step, sum / weights)
      }
    expect(loss.smooth).toEqual(loss.x.map((step) => expected.get(step)))
  })

  test('lines that are torn, damaged, foreign or not finite', async () => {
    const run = makeRun(folder, { name: 'odd', epochs: 1, eventsPerEpoch: 2, rich: false })
    const file = join(run.folder, 'events.jsonl')
    const step = (at: number, loss: number) => eventLine({ kind: 'step', time: 1, step: at, epoch: 2, loss })
    const next = step(1002, 0.25)
    appendFileSync(file, 'no json\n{"kind":"unknown","time":1}\n\0\0\0\n{"kind":"step","ti')
    // Written on after a crash: what follows the torn half counts.
    appendFileSync(file, step(1000, Number.NaN) + step(1001, 0.5) + next.slice(0, 20))
    const look = async () => {
      await summaries()
      return (await curves('run=odd')).curves.find(({ name }) => name === 'loss')!
    }
    const before = await look()
    expect(before).toMatchObject({ notFinite: 1, firstNotFinite: 1000 })
    expect(before.y.slice(-2)).toEqual([null, 0.5])
    expect((await ask<RunDetail>('/api/run?run=odd')).badLines).toBe(3)
    appendFileSync(file, next.slice(20))
    const after = await look()
    expect([after.x, after.y]).toEqual([
      [...before.x, 1002],
      [...before.y, 0.25],
    ])
  })

  test('a resumed run: what came after its checkpoint is void; waiting is no time of training', async () => {
    const run = makeRun(folder, { name: 'resumed', epochs: 4, stepsPerEpoch: 100, eventsPerEpoch: 5 })
    run.end('left')
    await summaries()
    expect((await summaries()).find(({ name }) => name === 'resumed')).toMatchObject({ state: 'left', epoch: 4 })
    const second = run.events.find((event) => event.kind === 'epoch' && event.epoch === 2)!
    const later = Date.now()
    run.write({ kind: 'start', time: later, epoch: 2, step: 200 })
    run.write({ kind: 'step', time: later + 1000, step: 220, epoch: 3, loss: 0.125 })
    const summary = (await summaries()).find(({ name }) => name === 'resumed')!
    expect(summary).toMatchObject({ state: 'running', epoch: 2, step: 220 })
    expect(summary.seconds).toBeCloseTo((second.time - run.events[0]!.time) / 1000 + 1, 1)
    const { curves: found } = await curves('run=resumed')
    const loss = found.find(({ name }) => name === 'loss')!
    expect(loss.x).toEqual([...Array.from({ length: 10 }, (_, i) => 20 * (i + 1)), 220])
    expect((await ask<RunDetail>('/api/run?run=resumed')).epochs.confusion).toEqual([1, 2])
  })

  test('a run that is written anew or deleted; one of several networks', async () => {
    const run = makeRun(folder, { name: 'anew', epochs: 5, rich: false })
    await summaries()
    expect((await curves('run=anew')).curves[0]!.x.length).toBe(60)
    writeFileSync(
      join(run.folder, 'events.jsonl'),
      [1, 2]
        .map((member) => eventLine({ kind: 'step', time: member, member, step: 7, epoch: 1, loss: member }))
        .join(''),
    )
    await summaries()
    expect((await curves('run=anew')).curves).toMatchObject([
      { name: 'loss', member: 1, x: [7], y: [1] },
      { name: 'loss', member: 2, x: [7], y: [2] },
    ])
    // What is told of all of them together is nobody's, and found all the same.
    run.write({ kind: 'end', time: 3, member: 2, epoch: 1, step: 7, reason: 'finished' })
    run.write({ kind: 'confusion', time: 3, epoch: 1, labels: ['a'], counts: [[9]] })
    expect((await summaries()).find(({ name }) => name === 'anew')).toMatchObject({
      state: 'finished',
      step: 7,
      loss: 2,
    })
    expect((await ask<RunDetail>('/api/run?run=anew')).epochs.confusion).toEqual([1])
    rmSync(run.folder, { recursive: true })
    expect((await summaries()).map(({ name }) => name)).not.toContain('anew')
    expect((await curves('run=anew')).curves).toEqual([])
    expect((await raw('/api/run?run=anew')).status).toBe(404)
  })

  test('what changes is told at once', async () => {
    const control = new AbortController()
    const response = await fetch(`http://127.0.0.1:${watch.port}/live`, { signal: control.signal })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const until = async (pattern: RegExp) => {
      while (!pattern.test(text)) text += (await reader.read()).value ?? ''
    }
    await until(/event: all\n/)
    const run = makeRun(folder, { name: 'sweep/trial-1', epochs: 1, rich: false })
    await until(/event: run\ndata: \{"name":"sweep\/trial-1"/)
    text = ''
    run.epochs(1)
    await until(/event: run\ndata: \{"name":"sweep\/trial-1".*"epoch":2/)
    rmSync(run.folder, { recursive: true })
    await until(/event: gone\ndata: \{"name":"sweep\/trial-1"\}/)
    control.abort()
  })
})

test('gradus watch: an address, the built page, Ctrl-C; a file is refused', async () => {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const run = makeRun(join(place, 'command'), { name: 'one', epochs: 1, rich: false })
  // One run is watched by naming it.
  const child = spawn(process.execPath, [main, 'watch', run.folder, '--port', '0', '--json'])
  const ended = once(child, 'close')
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { address } = JSON.parse(String(line)) as { address: string }
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  for (const file of ['', 'page.js', 'page.css', 'icon.svg'])
    expect((await fetch(address + file)).status, file).toBe(200)
  const { runs } = (await (await fetch(`${address}api/runs`)).json()) as RunList
  expect(runs.map(({ name }) => name)).toEqual(['one'])
  child.kill('SIGINT')
  expect((await ended)[0]).toBe(0)
  const wrong = spawnSync(process.execPath, [main, 'watch', join(run.folder, 'run.json')], { encoding: 'utf8' })
  expect([wrong.status, wrong.stderr]).toEqual([
    1,
    expect.stringMatching(/run\.json is a file, not a folder of runs\. Watch .*one\.\n$/),
  ])
})

test('a million points: thinned quickly, with every peak and both ends', () => {
  const points = new Points()
  const draw = random(5)
  const count = 1_000_000
  const peaks = new Set([1, 4711, 500_000, 777_777, count - 2])
  for (let i = 0; i < count; i++)
    points.add({ step: i, epoch: 1, seconds: i / 100 }, [['loss', peaks.has(i) ? 10 : draw()]])
  const began = performance.now()
  const all = points.curve('loss', points.steps, { points: 1000, smooth: 0.9 })!
  // 15 ms on the machine of docs/watch.md; a slow one may take a while.
  expect(performance.now() - began).toBeLessThan(1000)
  expect(all.x.length).toBeLessThanOrEqual(1003)
  expect([all.x[0], all.x.at(-1)]).toEqual([0, count - 1])
  for (const peak of peaks) expect(all.x, `peak ${peak}`).toContain(peak)
  const part = points.curve('loss', points.steps, { points: 1000, from: 4700, to: 4720 })!
  expect(part.x).toEqual(Array.from({ length: 22 }, (_, i) => 4699 + i))
  expect(points.bytes).toBeLessThan(50e6)
})
