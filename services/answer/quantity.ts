import { asciiForms, undecorated } from './plain-characters.ts';
import { unitOf, type Unit } from './units.ts';

interface Reading {
  readonly value: number;
  readonly unit: Unit | undefined;
}

export type ParsedQuantity =
  | (Reading & {
      readonly kind: 'quantity';
      /** A second reading, which counts next to a number of its kind of unit: "273K" is 273 kelvin next to degrees. */
      readonly otherwise?: Reading & { readonly unit: Unit };
    })
  /** No single number: `reason` is for people. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Longer texts are prose, not a number. */
const longestText = 120;

const hedge = /^(?:about|around|approximately|approx\.?|roughly|circa|ca\.?|some|~|≈)\s*/iu;
const currencySign = /^(?:US|A|C)?[$€£¥₹]/u;
const ordinal = /^(?:#|№|no\.)\s*(?=\d)/iu;
const wrapped = /^(?:\((.*)\)|\[(.*)\]|\{(.*)\})$/su;
/** In any case of letters. A scale is part of the number: "5k" is 5000, and no 5 of a unit k. */
const scales: ReadonlyMap<string, number> = new Map(
  (
    [
      [12, 'dozen|dozens'],
      [1e2, 'hundred|hundreds'],
      [1e3, 'thousand|thousands'],
      [1e5, 'lakh|lakhs'],
      [1e6, 'million|millions|mn|mln|mio'],
      [1e7, 'crore|crores'],
      [1e9, 'billion|billions|bn|bln|mrd'],
      [1e12, 'trillion|trillions|tn|trn'],
    ] as const
  ).flatMap(([factor, names]) => names.split('|').map((name): [string, number] => [name, factor])),
);
/** Single letters, as written: "m" is a metre and "t" a tonne, but not of money. */
const letterScales: ReadonlyMap<string, number> = new Map([
  ['k', 1e3],
  ['M', 1e6],
  ['B', 1e9],
  ['b', 1e9],
]);
/** Of money, and the capitals also where they follow the digits at once: units stand apart. */
const moneyScales: ReadonlyMap<string, number> = new Map([
  ['K', 1e3],
  ['T', 1e12],
  ['m', 1e6],
  ['MM', 1e6],
  ['t', 1e12],
]);
const vulgar: Readonly<Record<string, readonly [number, number]>> = {
  '½': [1, 2],
  '⅓': [1, 3],
  '⅔': [2, 3],
  '¼': [1, 4],
  '¾': [3, 4],
  '⅕': [1, 5],
  '⅖': [2, 5],
  '⅗': [3, 5],
  '⅘': [4, 5],
  '⅙': [1, 6],
  '⅚': [5, 6],
  '⅛': [1, 8],
  '⅜': [3, 8],
  '⅝': [5, 8],
  '⅞': [7, 8],
};

/**
 * One number with an optional unit: "1,000", "1 000.5", "-3.2e-4", "1.5 × 10^6", "10^3", "2 1/2", "3 ½", "45%", "$1.2 million",
 * "1.2B", "12 km/h", also in brackets, TeX or Markdown. Refused, because more than one reading exists or none: two numbers ("3 or 4", "3-4", "5 ± 1"), a decimal comma
 * ("3,14"), grouping that is not by three, numbers in words, infinity, units that follow no number.
 * Percent is a hundredth: "45%" is 0.45.
 */
export function parseQuantity(text: string): ParsedQuantity {
  if (text.length > longestText) return refused('the text is too long to be one number');
  let rest = undecorated(asciiForms(text)).replace(hedge, '').replace(ordinal, '').replace(/^=\s*/u, '');
  const [, round, square, curly] = wrapped.exec(rest) ?? [];
  rest = (round ?? square ?? curly ?? rest).trim();
  let sign = 1;
  const takeSign = (): void => {
    const first = rest[0];
    if (first !== '-' && first !== '+') return;
    if (first === '-') sign = -sign;
    rest = rest.slice(1).trimStart();
  };
  takeSign();
  const currency = currencySign.exec(rest)?.[0];
  if (currency !== undefined) {
    rest = rest.slice(currency.length).trimStart();
    if (sign === 1) takeSign();
  }
  const number = takeNumber(rest);
  if (number.kind === 'refused') return number;
  const isApart = /^\s/u.test(number.rest);
  rest = number.rest
    .trim()
    .replace(/[.,;!]$/u, '')
    .trim();
  let { value } = number;
  value *= sign;
  const unscaled = value;
  const isKelvin = rest === 'K' && currency === undefined;
  const takeScale = (): boolean => {
    const [word = ''] = /^[A-Za-z]+/u.exec(rest) ?? [];
    const money =
      currency !== undefined || (!isApart && word === word.toUpperCase()) ? moneyScales.get(word) : undefined;
    const scale = scales.get(word.toLowerCase()) ?? letterScales.get(word) ?? money;
    if (scale === undefined) return false;
    value *= scale;
    rest = rest.slice(word.length).replace(/^\./u, '').trim();
    return true;
  };
  // "3 hundred thousand".
  if (takeScale()) takeScale();
  const otherwise = isKelvin && value !== unscaled ? { value: unscaled, unit: unitOf('K') } : undefined;
  let unitText = currency ?? '';
  if (rest === '%' || /^(?:percent|per cent|pct\.?)$/iu.test(rest)) {
    value /= 100;
  } else if (rest === '‰') {
    value /= 1000;
  } else if (rest !== '') {
    if (/\d/u.test(rest.replace(/[a-z]\^?-?[23]/giu, ''))) return refused('there is more than one number in it');
    unitText = rest;
  }
  if (!Number.isFinite(value)) return refused('the number is too large');
  const unit = unitText === '' ? undefined : unitOf(unitText);
  return { kind: 'quantity', value, unit, ...(otherwise !== undefined && { otherwise }) };
}

type TakenNumber =
  | { readonly kind: 'number'; readonly value: number; readonly rest: string }
  | { readonly kind: 'refused'; readonly reason: string };

const integer = String.raw`\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?:[ \u00a0\u2009\u202f'’_]\d{3})+(?!\d)|\d+`;
/** "2 1/2" needs its space, or "22/7" would be two and two sevenths; "2½" needs none. */
const slashed = new RegExp(`^(?:(${integer})[ \\u00a0-])?(\\d{1,15})\\s?[/⁄]\\s?(\\d{1,15})(?![.,/]?\\d)`, 'u');
const glyph = new RegExp(`^(?:(${integer})[ \\u00a0-]?)?([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])`, 'u');
const decimal = new RegExp(`^(?:(${integer})(\\.\\d+)?|(\\.\\d+))(?:[eE]([+-]?\\d{1,4}))?`, 'u');
const power = /^\s*(?:×|x|\*|·)\s*10\s*(?:\^|\*\*)?\s*\{?([+-]?\d{1,4})\}?/u;
const superscriptPower = /^\s*(?:×|x|\*|·)\s*10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4})/u;

const bareRaised = new RegExp(
  String.raw`^(\d{1,4})\s*(?:(?:\^|\*\*)\s*\{?([+-]?\d{1,4})\}?|([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}))(?![\d.,])`,
  'u',
);

function takeNumber(text: string): TakenNumber {
  const bare = bareRaised.exec(text);
  if (bare !== null) {
    const [all, base, exponent, raised = ''] = bare;
    return {
      kind: 'number',
      value: Number(base) ** Number(exponent ?? fromSuperscript(raised)),
      rest: text.slice(all.length),
    };
  }
  const fraction = takeFraction(text);
  if (fraction !== undefined) return fraction;
  const match = decimal.exec(text);
  if (match === null) return refused('it does not begin with a number in digits');
  const [all, whole = '0', decimals = '', below = '', exponent = '0'] = match;
  let rest = text.slice(all.length);
  if (/^[.,]?\d/u.test(rest) || /^,\d/u.test(rest)) return refused('its digits are grouped in no known way');
  const mantissa = below === '' ? `${digitsText(whole)}${decimals}` : `0${below}`;
  const times = power.exec(rest);
  const raised = superscriptPower.exec(rest);
  rest = rest.slice((times ?? raised)?.[0].length ?? 0);
  const raisedBy = Number(times?.[1] ?? fromSuperscript(raised?.[1] ?? ''));
  return { kind: 'number', value: Number(`${mantissa}e${Number(exponent) + raisedBy}`), rest };
}

function takeFraction(text: string): TakenNumber | undefined {
  const match = slashed.exec(text) ?? glyph.exec(text);
  if (match === null) return undefined;
  const [all, whole, over = '', under] = match;
  const [top, bottom] = under === undefined ? (vulgar[over] ?? [0, 1]) : [Number(over), Number(under)];
  if (bottom === 0) return refused('the fraction divides by zero');
  // "10-5/2" subtracts, and "1 500/3" groups its digits.
  if (whole !== undefined && (top >= bottom || over.startsWith('0')))
    return refused('a whole number stands before a fraction that is not below one');
  return { kind: 'number', value: Number(digitsText(whole ?? '0')) + top / bottom, rest: text.slice(all.length) };
}

function digitsText(grouped: string): string {
  return grouped.replace(/[^\d]/gu, '');
}

function fromSuperscript(text: string): string {
  return text.replace(/./gu, (sign) => (sign === '⁻' ? '-' : sign === '⁺' ? '+' : String('⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(sign))));
}

function refused(reason: string): { readonly kind: 'refused'; readonly reason: string } {
  return { kind: 'refused', reason };
}
