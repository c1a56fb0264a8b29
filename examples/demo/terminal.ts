import type { Check, Listing } from './report'

const WIDTH = 96
const isTerminal = process.stdout.isTTY === true
const colours = isTerminal && process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb'

const paint = (code: number, text: string): string =>
  colours ? `\u001b[${code}m${text}\u001b[0m` : text
const bold = (text: string): string => paint(1, text)
const dim = (text: string): string => paint(2, text)

export function scene(number: number, title: string, text: string): string {
  return `\n${bold(`${number}. ${title}`)}\n${lines(wrap(text, WIDTH - 3), '   ')}`
}

export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(...[heading, ...rows.map((row) => row[column] ?? '')].map((cell) => cell.length)),
  )
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => (cells[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return `\n${lines([bold(line(headings)), dim(rule), ...rows.map(line)], '   ')}`
}

export function listing(parts: Listing): string {
  const indent = ' '.repeat(11)
  const blocks = parts.map(({ label, lines: text }) => {
    const wrapped = text.flatMap((line) => wrap(line, WIDTH - indent.length))
    return `   ${dim(label.padEnd(8))}${lines(wrapped, indent).slice(indent.length)}`
  })
  return `\n${blocks.join('')}`
}

export function check({ what, ok, detail }: Check): string {
  const mark = ok ? paint(32, '✓') : paint(31, '✗')
  return `   ${mark} ${what}\n${dim(lines(wrap(detail, WIDTH - 5), '     '))}`
}

/** Overwrites itself on a terminal; elsewhere only its end is a line. */
export function progress(label: string, share: number, amount: string): string {
  const full = Math.floor(share * 30)
  const bar = '█'.repeat(full).padEnd(30, '░')
  const line = `   ${label}  ${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${amount}`
  if (share < 1) return isTerminal ? `${line}\r` : ''
  return `${line}\n`
}

export function summary(passed: number, failed: number, seconds: number): string {
  const verdict = failed === 0 ? paint(32, 'Every check held') : paint(31, `${failed} failed`)
  return `\n${verdict}: ${passed} of ${passed + failed}, in ${seconds} s.\n`
}

function lines(list: readonly string[], indent: string): string {
  return list.map((line) => `${indent}${line}\n`).join('')
}

function wrap(text: string, width: number): string[] {
  const words = text.split(' ')
  const wrapped: string[] = []
  let line = words.shift() ?? ''
  for (const word of words) {
    if (line.length + 1 + word.length > width) {
      wrapped.push(line)
      line = word
    } else line += ` ${word}`
  }
  return [...wrapped, line]
}
