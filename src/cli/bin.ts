#!/usr/bin/env node
// The command `mortise`. Its parser is an optional peer: whoever needs no command line needs no parser.

try {
  require.resolve('commander')
} catch {
  process.stderr.write(
    'mortise: the command line needs two packages: npm install --save-dev commander cli-progress\n',
  )
  process.exit(1)
}

const { main }: typeof import('./main') = require('./main')
void main(process.argv)
