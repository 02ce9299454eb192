import { unitOf, type Unit } from './units.ts';

export type ParsedQuantity =
  | { readonly kind: 'quantity'; readonly value: number; readonly unit: Unit | undefined }
  /** No single number: `reason` is for people. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Longer texts are prose, not a number. */
const longestText = 120;

const hedge = /^(?:about|around|approximately|approx\.?|roughly|circa|ca\.?|some|~|≈)\s*/iu;
const currencySign = /^(?:US|A|C)?[$€£¥₹]/u;
const scales: ReadonlyMap<string, number> = new Map([
  ['hundred', 1e2],
  ['thousand', 1e3],
  ['million', 1e6],
  ['millions', 1e6],
  ['billion', 1e9],
  ['billions', 1e9],
  ['trillion', 1e12],
  ['trillions', 1e12],
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
 * One number with an optional unit: "1,000", "1 000.5", "-3.2e-4", "1.5 × 10^6", "2 1/2", "3 ½", "45%", "$1.2 million",
 * "12 km/h". Refused, because more than one reading exists or none: two numbers ("3 or 4", "3-4", "5 ± 1"), a decimal comma
 * ("3,14"), grouping that is not by three, numbers in words, infinity, units that follow no number.
 * Percent is a hundredth: "45%" is 0.45.
 */
export function parseQuantity(text: string): ParsedQuantity {
  if (text.length > longestText) return refused('the text is too long to be one number');
  let rest = text.trim().replace(hedge, '').replaceAll('\u2212', '-').trim();
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
  rest = number.rest
    .trim()
    .replace(/[.,;!]$/u, '')
    .trim();
  let { value } = number;
  const [scaleWord = ''] = /^[A-Za-z]+/u.exec(rest) ?? [];
  const scale = scales.get(scaleWord.toLowerCase());
  if (scale !== undefined) {
    value *= scale;
    rest = rest.slice(scaleWord.length).trim();
  }
  value *= sign;
  let unitText = currency ?? '';
  if (rest === '%' || /^(?:percent|per cent|pct\.?)$/iu.test(rest)) {
    value /= 100;
  } else if (rest !== '') {
    if (/\d/u.test(rest.replace(/[a-z]\^?-?[23]/giu, ''))) return refused('there is more than one number in it');
    unitText = rest;
  }
  if (!Number.isFinite(value)) return refused('the number is too large');
  return { kind: 'quantity', value, unit: unitText === '' ? undefined : unitOf(unitText) };
}

type TakenNumber =
  | { readonly kind: 'number'; readonly value: number; readonly rest: string }
  | { readonly kind: 'refused'; readonly reason: string };

const integer = String.raw`\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?:[ \u00a0\u2009\u202f'’_]\d{3})+(?!\d)|\d+`;
const mixed = new RegExp(
  `^(?:(${integer})[ \\u00a0-]?)?(?:(\\d{1,15})\\s?[/⁄]\\s?(\\d{1,15})(?![\\d.,/])|([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]))`,
  'u',
);
const decimal = new RegExp(`^(?:(${integer})(\\.\\d+)?|(\\.\\d+))(?:[eE]([+-]?\\d{1,4}))?`, 'u');
const power = /^\s*(?:×|x|\*|·)\s*10\s*(?:\^|\*\*)?\s*\{?([+-]?\d{1,4})\}?/u;
const superscriptPower = /^\s*(?:×|x|\*|·)\s*10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4})/u;

function takeNumber(text: string): TakenNumber {
  const fraction = mixed.exec(text);
  if (fraction !== null) {
    const [all, wholePart, over, under, sign] = fraction;
    const [top, bottom] = sign === undefined ? [Number(over), Number(under)] : (vulgar[sign] ?? [0, 1]);
    if (bottom === 0) return refused('the fraction divides by zero');
    const before = wholePart === undefined ? 0 : digitsOf(wholePart);
    return { kind: 'number', value: before + top / bottom, rest: text.slice(all.length) };
  }
  const match = decimal.exec(text);
  if (match === null) return refused('it does not begin with a number in digits');
  const [all, whole = '0', decimals = '', bare = '', exponent = '0'] = match;
  let rest = text.slice(all.length);
  if (/^[.,]?\d/u.test(rest) || /^,\d/u.test(rest)) return refused('its digits are grouped in no known way');
  const mantissa = bare === '' ? `${digitsText(whole)}${decimals}` : `0${bare}`;
  const times = power.exec(rest);
  const raised = superscriptPower.exec(rest);
  rest = rest.slice((times ?? raised)?.[0].length ?? 0);
  const raisedBy = Number(times?.[1] ?? fromSuperscript(raised?.[1] ?? ''));
  return { kind: 'number', value: Number(`${mantissa}e${Number(exponent) + raisedBy}`), rest };
}

function digitsText(grouped: string): string {
  return grouped.replace(/[^\d]/gu, '');
}

function digitsOf(grouped: string): number {
  return Number(digitsText(grouped));
}

function fromSuperscript(text: string): string {
  return text.replace(/./gu, (sign) => (sign === '⁻' ? '-' : sign === '⁺' ? '+' : String('⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(sign))));
}

function refused(reason: string): { readonly kind: 'refused'; readonly reason: string } {
  return { kind: 'refused', reason };
}
