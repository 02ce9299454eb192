import { describe, expect, test } from 'vitest';
import { parseDate } from './calendar-date.ts';
import { dateMatch } from './date-match.ts';

const of = (text: string, dayFirst?: boolean) => {
  const parsed = parseDate(text, dayFirst);
  return parsed.kind === 'date' ? parsed.date : parsed.reason;
};

describe('a date', () => {
  test.each([
    ['1990-03-05', { year: 1990, month: 3, day: 5 }],
    ['1990-3-5', { year: 1990, month: 3, day: 5 }],
    ['1990/03/05', { year: 1990, month: 3, day: 5 }],
    ['1990-03-05T12:30:00Z', { year: 1990, month: 3, day: 5 }],
    ['1990-03', { year: 1990, month: 3 }],
    ['1990', { year: 1990 }],
    ['in 1990', { year: 1990 }],
    ['5 March 1990', { year: 1990, month: 3, day: 5 }],
    ['the 5th of March, 1990', { year: 1990, month: 3, day: 5 }],
    ['March 5, 1990', { year: 1990, month: 3, day: 5 }],
    ['Mar. 5th, 1990.', { year: 1990, month: 3, day: 5 }],
    ['Monday, 5 March 1990', { year: 1990, month: 3, day: 5 }],
    ['Sept 1990', { year: 1990, month: 9 }],
    ['May 1990', { year: 1990, month: 5 }],
    ['25/12/1990', { year: 1990, month: 12, day: 25 }],
    ['12/25/1990', { year: 1990, month: 12, day: 25 }],
    ['29 February 2000', { year: 2000, month: 2, day: 29 }],
    ['44 BC', { year: -44 }],
    ['15 March 44 BC', { year: -44, month: 3, day: 15 }],
    ['9 AD', { year: 9 }],
    ['AD 79', { year: 79 }],
    ['A.D. 79', { year: 79 }],
    ['24 August AD 79', { year: 79, month: 8, day: 24 }],
    ['BC 44', { year: -44 }],
    ['2001-03-05 00:00:00', { year: 2001, month: 3, day: 5 }],
    ['2001-03-05 10:00', { year: 2001, month: 3, day: 5 }],
    ['2001-03-05 10:00:00.123 UTC', { year: 2001, month: 3, day: 5 }],
    ['2001-03-05 10:00+02:00', { year: 2001, month: 3, day: 5 }],
    ['5 March 2001, 10:00', { year: 2001, month: 3, day: 5 }],
    ['March 5, 2001 at 10 p.m.', { year: 2001, month: 3, day: 5 }],
    ['Mon, 05 Mar 2001 10:00:00 GMT', { year: 2001, month: 3, day: 5 }],
    ['circa 1990', { year: 1990 }],
    ['c. 1990', { year: 1990 }],
    ['around March 1990', { year: 1990, month: 3 }],
    ['the year 1990', { year: 1990 }],
    ['in the year 1990', { year: 1990 }],
    ['**1990**', { year: 1990 }],
    ['２００１年'.slice(0, 4), { year: 2001 }],
    ['2001–03–05', { year: 2001, month: 3, day: 5 }],
  ])('%j is read', (text, date) => {
    expect(of(text)).toEqual(date);
  });

  test.each([
    ['05/03/1990', /either way/],
    ['29 February 1900', /no day 29/],
    ['31 April 2001', /no day 31/],
    ['1990-13-01', /no month 13/],
    ['0 AD', /no year 0/],
    ['1990s', /not a date/],
    ['1990-1995', /not a date/],
    ['1990–1995', /not a date/],
    ['AD 79 or 80', /not a date/],
    ['before 1990', /not a date/],
    ['10:00', /not a date/],
    ['5 March', /not a date/],
    ['5/3/90', /not a date/],
    ['12', /not a date/],
    ['yesterday', /not a date/],
    ['', /not a date/],
    ['1990 '.repeat(100_000), /too long/],
  ])('%j is refused', (text, reason) => {
    expect(of(text)).toMatch(reason);
  });

  test('reads day and month as the setting says', () => {
    expect(of('05/03/1990', true)).toEqual({ year: 1990, month: 3, day: 5 });
    expect(of('05/03/1990', false)).toEqual({ year: 1990, month: 5, day: 3 });
  });
});

describe('a date match', () => {
  test.each([
    ['5 March 1990', '1990-03-05', 'gold', 1],
    ['5 March 1990', '1990', 'gold', 1],
    ['1990', '5 March 1990', 'gold', 0],
    ['March 1990', '5 March 1990', 'gold', 0],
    ['6 March 1990', '5 March 1990', 'gold', 0],
    ['6 March 1990', '5 March 1990', 'month', 1],
    ['1990', '5 March 1990', 'year', 1],
    ['1991', '5 March 1990', 'year', 0],
    ['5 March 1990', 'March 1990', 'day', 1],
    ['44 BC', '44 AD', 'gold', 0],
    ['79 AD', 'AD 79', 'gold', 1],
    ['AD 79', '79 BC', 'gold', 0],
    ['2001-03-05 23:59', '2001-03-06', 'gold', 0],
    ['1990 or 1991', '1990', 'gold', 0],
  ] as const)('of %j with %j at precision %s is %d', (prediction, gold, precision, expected) => {
    expect(dateMatch(prediction, ['x', gold], { precision })).toBe(expected);
  });
});
