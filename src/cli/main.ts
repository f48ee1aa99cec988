#!/usr/bin/env node
/**
 * @file Starts the command line (program.ts) from the bundle, where it shares the library with programs that say
 * `import 'gradus'`: a network of theirs is a network to the commands.
 */
await import(new URL('../bundle/cli.js', import.meta.url).href)
