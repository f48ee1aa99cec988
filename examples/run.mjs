// Runs a built example: npm run example -- descent
import { readdirSync } from 'node:fs'

process.chdir(new URL('dist', import.meta.url).pathname)
const names = readdirSync('.').flatMap((file) => (/^(?!few-digits).*\.js$/.test(file) ? [file.slice(0, -3)] : []))
const name = process.argv[2]
if (!names.includes(name)) {
  console.error(`Which example? npm run example -- NAME, where NAME is one of ${names.join(', ')}.`)
  process.exitCode = 2
} else {
  const { main } = await import(`./dist/${name}.js`)
  await main?.()
}
