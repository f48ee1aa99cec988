/**
 * @file Text classification: which of 5,574 short messages are spam? A message is a bag of words. Each word has a place in
 * eight dimensions, which is learned; a small network looks at the mean of the words' places.
 *
 * Words are not listed: a hash gives each one of 32,768 rows of a table, which few share. Digits all count as 0, so that one
 * telephone number is like another; how long a message is, and how many digits it has, count as words too.
 * Bags of words: Joulin et al. 2016, arXiv:1607.01759; hashing: Weinberger et al. 2009, arXiv:0902.2206
 *
 * Measured: F1 of spam on the fifth of the messages that a seed holds out, as many of them spam as in the rest. Spammers send
 * one message to many, with another number each time. Of messages that differ in digits, capitals and blanks only, one is
 * therefore kept (5,140 are, 623 of them spam): what is tested was not seen in training. It would show that a bag of words is
 * not enough, or that embeddings are trained wrongly, if F1 were below 0.95.
 */
import { writeFile } from 'node:fs/promises'
import { type Message, smsSpam } from '@gradus/datasets'
import {
  barChart,
  type Dataset,
  evaluate,
  fit,
  loss,
  metrics,
  nn,
  optim,
  predict,
  splitDataset,
  type Tensor,
} from 'gradus'

const rows = 32_768
/** Places for the words of a message; 15 of 5,574 have more words. */
const places = 64

/** All digits as 0, all letters small. */
const plain = (text: string) => text.toLowerCase().replace(/\d/g, '0')

/** The different words and signs (£, !) of a message; two of them say how long it is and how many digits it has. */
function wordsOf(text: string): string[] {
  const words = plain(text).match(/[\p{L}\p{N}']+|[^\s\p{L}\p{N}']/gu) ?? []
  const digits = text.replace(/\D/g, '').length
  const sizes = [`length: 2^${Math.round(2 * Math.log2(text.length + 1)) / 2}`, `digits: ${Math.min(digits, 12)}`]
  return [...new Set([...words, ...sizes])]
}

/** The row of a word, by the hash FNV-1a. Row 0 stands for no word. */
function rowOf(word: string): number {
  let hash = 2166136261
  for (const character of word) hash = Math.imul(hash ^ character.codePointAt(0)!, 16777619)
  return 1 + ((hash >>> 0) % (rows - 1))
}

/** int32 [messages, places]: rows of words, then zeros. */
function bags(messages: readonly (readonly string[])[]) {
  const data = new Int32Array(messages.length * places)
  messages.forEach((words, i) => {
    data.set(words.slice(0, places).map(rowOf), i * places)
  })
  return { data, shape: [messages.length, places] }
}

function different(messages: readonly Message[]): Message[] {
  const kept = new Map(messages.map((message) => [plain(message.text).replace(/\s+/g, ' '), message]))
  return [...kept.values()]
}

/** The mean of the words' places, not counting empty ones, and a small network behind it: logits of ham and spam. */
const newNet = () =>
  nn.module(
    {
      words: nn.embedding(rows, 8, { paddingIndex: 0, initializer: nn.init.normal(0, 0.1) }),
      head: nn.sequential(nn.dropout(0.2), nn.linear(8, 16), nn.relu, nn.linear(16, 2)),
    },
    (m, bag: Tensor) => {
      const count = bag.greater(0).cast('float32').sum(1, { keepAxes: true })
      // A root, so that ten words that say the same are worth more than one.
      return m.head(m.words(bag).sum(1).div(count.maximum(1).sqrt()))
    },
  )

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  const all = different(await smsSpam())
  const messages = quick ? all.slice(0, 2000) : all
  const data: Dataset = {
    input: bags(messages.map(({ text }) => wordsOf(text))),
    target: { data: Int32Array.from(messages, ({ spam }) => Number(spam)), shape: [messages.length] },
    classes: ['ham', 'spam'],
  }
  const { train, test } = splitDataset(data, { train: 0.8, validation: 0, test: 0.2 }, { seed, stratify: true })

  const net = newNet()
  const optimizer = optim.adam({ learningRate: 3e-3 })
  await fit(net, { train, loss: loss.crossEntropy, optimizer, epochs: 10, batchSize: 64, seed })

  const { f1, precision, recall } = metrics
  const scores = await evaluate(net, test, { metrics: { f1: f1(), precision: precision(), recall: recall() } })
  /** ln(p / (1 − p)), p the probability that a message of these words is spam. */
  const odds = async (some: readonly string[][]) =>
    ((await predict(net, bags(some))) as number[][]).map(([ham, spam]) => spam! - ham!)
  return { ...scores, messages, odds }
}

const tries = [
  'Are we still meeting at the station at 6?',
  'WINNER! Claim your £900 prize, call 09061701461 now. Valid 12 hours only',
  'Your parcel could not be delivered, pay the fee here: http://bit.ly/x1z',
]

export async function main() {
  const results = []
  for (const seed of [1, 2, 3]) results.push(await run({ seed }))
  console.table(
    results.map(({ f1, precision, recall }, i) => ({
      seed: i + 1,
      F1: f1.toFixed(3),
      precision: precision.toFixed(3),
      recall: recall.toFixed(3),
    })),
  )
  const { messages, odds } = results[0]!
  for (const [i, logit] of (await odds(tries.map(wordsOf))).entries())
    console.log(`${(100 / (1 + Math.exp(-logit))).toFixed(1).padStart(5)} %  ${tries[i]}`)

  // What the network thinks of a message of one word.
  const counts = new Map<string, number>()
  for (const { text } of messages) for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1)
  const frequent = [...counts.keys()].filter((word) => counts.get(word)! >= 30 && !/: /.test(word))
  const of = await odds(frequent.map((word) => [word]))
  const bars = frequent.map((name, i) => ({ name, value: of[i]! })).sort((a, b) => b.value - a.value)
  await writeFile(
    '../pictures/spam.svg',
    barChart({ title: 'Words of spam', xLabel: 'log-odds of spam for this word alone', bars: bars.slice(0, 16) }),
  )
}
