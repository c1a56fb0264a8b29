import { describe, expect, it, vi } from 'vitest'
import { durationText } from '../../src/cli/duration'
import { progressEvents, progressLines, progressText } from '../../src/cli/progress'
import { ProgressMeter } from '../../src/cli/progress-meter'
import { counted, textTable } from '../../src/cli/text-table'

describe('the progress of a job', () => {
  it('adds the tables up, and tells the speed of the last half minute', () => {
    const meter = new ProgressMeter()
    expect(meter.update({ table: 'a', done: 500, total: 1000 }, 0)).toEqual({
      ...{ table: 'a', done: 500, total: 1000, perSecond: 0, secondsLeft: null },
    })
    // What an earlier run had done is not counted as speed.
    expect(meter.update({ table: 'a', done: 700, total: 1000 }, 2000)).toMatchObject({
      ...{ perSecond: 100, secondsLeft: 3 },
    })
    expect(meter.update({ table: 'b', done: 0, total: 3000 }, 2000)).toMatchObject({
      ...{ table: 'b', done: 700, total: 4000, perSecond: 100, secondsLeft: 33 },
    })
    expect(meter.update({ table: 'b', done: 10, total: 3000 }, 42_000)).toMatchObject({
      ...{ done: 710, perSecond: 0, secondsLeft: null },
    })
    expect(meter.update({ table: 'b', done: 40, total: 3000 }, 43_000)).toMatchObject({
      ...{ perSecond: 30 },
    })
    expect(meter.update({ table: 'b', done: 0, total: 3000 }, 44_000)).toMatchObject({
      ...{ done: 700, perSecond: 0, secondsLeft: null },
    })
  })

  it('is one line of text', () => {
    const progress = { table: 'person', done: 1234, total: 60_000 }
    expect(progressText({ ...progress, perSecond: 812.4, secondsLeft: 72.3 })).toBe(
      'person: 1,234 of 60,000 in all, 812/s, 1 min 12 s left',
    )
    expect(progressText({ ...progress, perSecond: 0, secondsLeft: null })).toBe(
      'person: 1,234 of 60,000 in all, 0/s, time left unknown',
    )
  })

  it('is told every few seconds, and where a table is done', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const lines: string[] = []
    const { update } = progressLines((line) => lines.push(line))
    for (let done = 0; done <= 80; done++) {
      update({ table: 'a', done, total: 80 })
      vi.advanceTimersByTime(100)
    }
    expect(lines.map((line) => line.split(',')[0])).toEqual([
      'a: 0 of 80 in all',
      'a: 50 of 80 in all',
      'a: 80 of 80 in all',
    ])
    const events: object[] = []
    progressEvents((event) => events.push(event)).update({ table: 'a', done: 1, total: 2 })
    expect(events).toEqual([
      {
        ...{ event: 'progress', table: 'a', done: 1, total: 2 },
        ...{ perSecond: 0, secondsLeft: null },
      },
    ])
    vi.useRealTimers()
  })
})

describe('text', () => {
  it.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [60, '1 min'],
    [3599, '59 min 59 s'],
    [12_000, '3 h 20 min'],
    [86_400 * 400 + 7200, '400 d 2 h'],
  ])('durations: %d', (seconds, text) => {
    expect(durationText(seconds)).toBe(text)
  })

  it('tables stand in columns, numbers at the right', () => {
    expect(
      textTable(
        ['name', 'n'],
        [
          ['a', 5],
          ['long', 12_000],
        ],
      ),
    ).toEqual([...['name       n', 'a          5', 'long  12,000']])
    expect(textTable(['name', 'n'], [])).toEqual(['name  n'])
    expect([counted(1, 'key'), counted(2000, 'key')]).toEqual(['1 key', '2,000 keys'])
  })
})
