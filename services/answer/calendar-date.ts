import { asciiForms, undecorated } from './plain-characters.ts';

export interface CalendarDate {
  /** Negative before the year 1: -44 is 44 BC. */
  readonly year: number;
  /** 1..12; absent when the text says only the year. */
  readonly month?: number;
  /** 1..31; absent when the text says only the month. */
  readonly day?: number;
}

export type ParsedDate =
  | { readonly kind: 'date'; readonly date: CalendarDate }
  | { readonly kind: 'refused'; readonly reason: string };

const longestText = 80;
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const monthName =
  '(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?';
const weekday = /^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+/u;
const eraWord = String.raw`(bc|bce|ad|ce|b\.c\.|a\.d\.|b\.c\.e\.|c\.e\.)`;
/** Behind the year, or before it: "79 AD", "AD 79", "24 August AD 79". */
const era = new RegExp(String.raw`\s*${eraWord}$|(?<=^|\s)${eraWord}\s*(?=\d{1,4}[.,]?$)`, 'u');
const hedge =
  /^(?:(?:circa|ca\.?|c\.|about|around|approximately|approx\.?|roughly|~)\s*)?(?:on |in )?(?:the )?(?:year )?(?=\w)/u;
const zone = String.raw`(?:z|utc|gmt|[a-z]{2,4}t|(?:utc|gmt)?[+-]\d{1,2}:?(?:\d{2})?)`;
const clock = String.raw`\d{1,2}(?::\d{2}){1,2}(?:\.\d{1,9})?(?:\s*[ap]\.?m\.?)?|\d{1,2}\s*[ap]\.?m\.?`;
const time = new RegExp(String.raw`(?:,\s*|\s+)(?:at\s+)?(?:${clock})(?:\s*${zone})?$`, 'u');

const iso = /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:t[\d:.]+(?:z|[+-][\d:]+)?)?$/u;
const slashed = /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$/u;
const dayFirstLong = new RegExp(`^(?:the )?(\\d{1,2})(?:st|nd|rd|th)?(?: of)?[ -]${monthName},?[ -](\\d{1,4})$`, 'u');
const monthFirstLong = new RegExp(`^${monthName} (?:the )?(\\d{1,2})(?:st|nd|rd|th)?(?:,| of)? (\\d{1,4})$`, 'u');
const monthAndYear = new RegExp(`^${monthName}(?: of|,)? (\\d{3,4})$`, 'u');
const yearOnly = /^(\d{1,4})$/u;

/**
 * One date, with a time behind it or not: ISO (2001-03-05, 2001-03), "5 March 2001", "March 5th, 2001", "March 2001", "2001",
 * "circa 1990", "44 BC", "AD 79". Refused: ranges, decades ("1990s"), two-digit years, days that no calendar has, and 05/03/2001 where both
 * readings exist and `dayFirst` is not said.
 */
export function parseDate(text: string, dayFirst?: boolean): ParsedDate {
  if (text.length > longestText) return refused('the text is too long to be one date');
  let plain = undecorated(asciiForms(text))
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .replace(hedge, '')
    .replace(weekday, '')
    .replace(time, '');
  const [, behind, before] = era.exec(plain) ?? [];
  const named = (behind ?? before)?.replaceAll('.', '');
  if (named !== undefined) plain = plain.replace(era, '');
  plain = plain.replace(/[.,]$/u, '');
  const sign = named === 'bc' || named === 'bce' ? -1 : 1;
  const made = (year: string | undefined, month?: number, day?: string): ParsedDate =>
    checked(sign * Number(year), month, day === undefined ? undefined : Number(day));

  const [isIso, isoYear, isoMonth, isoDay] = iso.exec(plain) ?? [];
  if (isIso !== undefined) return made(isoYear, Number(isoMonth), isoDay);
  const [isSlashed, first, second, slashedYear] = slashed.exec(plain) ?? [];
  if (isSlashed !== undefined) {
    const [left, right] = [Number(first), Number(second)];
    const readsDayFirst = dayFirst ?? (left > 12 ? true : right > 12 ? false : left === right ? true : undefined);
    if (readsDayFirst === undefined) return refused('day and month can be read either way; set day_first');
    return readsDayFirst ? made(slashedYear, right, first) : made(slashedYear, left, second);
  }
  const [isDayFirst, day, month, year] = dayFirstLong.exec(plain) ?? [];
  if (isDayFirst !== undefined) return made(year, monthOf(month), day);
  const [isMonthFirst, month2, day2, year2] = monthFirstLong.exec(plain) ?? [];
  if (isMonthFirst !== undefined) return made(year2, monthOf(month2), day2);
  const [isMonth, month3, year3] = monthAndYear.exec(plain) ?? [];
  if (isMonth !== undefined) return made(year3, monthOf(month3));
  const [isYear, year4 = ''] = yearOnly.exec(plain) ?? [];
  // "5" is not a year, "5 AD" is.
  if (isYear !== undefined && (year4.length >= 3 || named !== undefined)) return made(year4);
  return refused('it is not a date that can be read in one way');
}

function checked(year: number, month?: number, day?: number): ParsedDate {
  if (year === 0) return refused('there is no year 0');
  if (month === undefined) return { kind: 'date', date: { year } };
  if (month < 1 || month > 12) return refused(`there is no month ${month}`);
  if (day === undefined) return { kind: 'date', date: { year, month } };
  if (day < 1 || day > daysIn(year, month)) return refused(`${month}/${year} has no day ${day}`);
  return { kind: 'date', date: { year, month, day } };
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function monthOf(name: string | undefined): number {
  return months.indexOf((name ?? '').slice(0, 3)) + 1;
}

function refused(reason: string): ParsedDate {
  return { kind: 'refused', reason };
}
