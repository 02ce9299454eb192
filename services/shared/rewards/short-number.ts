/** A number for people: six significant digits, `absent` for NaN. */
export function shortNumber(value: number): string {
  return Number.isNaN(value) ? 'absent' : `${Number(value.toPrecision(6)) + 0}`;
}
