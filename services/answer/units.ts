/** A unit as a multiple (and an offset) of the base unit of its kind. A unit that is not known is a kind of its own. */
export interface Unit {
  readonly kind: string;
  readonly factor: number;
  /** Added after the factor: temperatures. */
  readonly offset: number;
}

/** Kind, factor to the base unit, names. Letters count in "m" and "M", so names are tried as written first. */
const table: readonly (readonly [string, number, string])[] = [
  ['length', 1, 'm|meter|meters metre metres'],
  ['length', 1e3, 'km|kilometer|kilometers kilometre kilometres'],
  ['length', 1e-2, 'cm|centimeter|centimeters|centimetre|centimetres'],
  ['length', 1e-3, 'mm|millimeter|millimeters|millimetre|millimetres'],
  ['length', 1e-6, 'µm|μm|um|micrometer|micrometers|micrometre|micrometres'],
  ['length', 1e-9, 'nm|nanometer|nanometers|nanometre|nanometres'],
  ['length', 0.0254, 'in|inch|inches|"'],
  ['length', 0.3048, 'ft|foot|feet'],
  ['length', 0.9144, 'yd|yard|yards'],
  ['length', 1609.344, 'mi|mile|miles'],
  ['mass', 1, 'kg|kilogram|kilograms|kilo|kilos'],
  ['mass', 1e-3, 'g|gram|grams'],
  ['mass', 1e-6, 'mg|milligram|milligrams'],
  ['mass', 1e3, 't|tonne|tonnes'],
  ['mass', 0.45359237, 'lb|lbs|pound|pounds'],
  ['mass', 0.028349523125, 'oz|ounce|ounces'],
  ['time', 1, 's|sec|secs|second|seconds'],
  ['time', 1e-3, 'ms|millisecond|milliseconds'],
  ['time', 60, 'min|mins|minute|minutes'],
  ['time', 3600, 'h|hr|hrs|hour|hours'],
  ['time', 86_400, 'd|day|days'],
  ['time', 604_800, 'week|weeks'],
  // Months and years have no fixed number of days: each is a kind of its own.
  ['years', 1, 'y|yr|yrs|year|years'],
  ['years', 1 / 12, 'month|months'],
  ['area', 1, 'm2|m^2|m²|square meter|square meters|square metre|square metres|sq m'],
  ['area', 1e6, 'km2|km^2|km²|square kilometer|square kilometers|square kilometre|square kilometres|sq km'],
  ['area', 1e4, 'ha|hectare|hectares'],
  ['area', 4046.8564224, 'acre|acres'],
  ['area', 2_589_988.110336, 'mi2|mi^2|mi²|square mile|square miles|sq mi'],
  ['volume', 1, 'l|L|liter|liters|litre|litres'],
  ['volume', 1e-3, 'ml|mL|milliliter|milliliters|millilitre|millilitres'],
  ['volume', 1e3, 'm3|m^3|m³|cubic meter|cubic meters|cubic metre|cubic metres'],
  ['speed', 1, 'm/s|meters per second|metres per second'],
  ['speed', 1 / 3.6, 'km/h|kph|kmh|kilometers per hour|kilometres per hour'],
  ['speed', 0.44704, 'mph|miles per hour'],
  ['usd', 1, '$|US$|USD|usd|dollar|dollars'],
  ['eur', 1, '€|EUR|eur|euro|euros'],
  ['gbp', 1, '£|GBP|gbp'],
  ['jpy', 1, '¥|JPY|jpy|yen'],
  ['inr', 1, '₹|INR|inr|rupee|rupees'],
];

const units: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...table.flatMap(([kind, factor, names]) =>
    names.split('|').map((name): [string, Unit] => [name, { kind, factor, offset: 0 }]),
  ),
  // Kelvin is the base unit.
  ...['K', 'kelvin', 'kelvins'].map((name): [string, Unit] => [name, { kind: 'temperature', factor: 1, offset: 0 }]),
  ...['°C', '℃', 'C', 'celsius', 'degrees celsius', '° c'].map((name): [string, Unit] => [
    name,
    { kind: 'temperature', factor: 1, offset: 273.15 },
  ]),
  ...['°F', '℉', 'F', 'fahrenheit', 'degrees fahrenheit', '° f'].map((name): [string, Unit] => [
    name,
    { kind: 'temperature', factor: 5 / 9, offset: 459.67 * (5 / 9) },
  ]),
]);

/** The unit that a text names; one that is not known is a kind of its own, so it equals only itself. */
export function unitOf(text: string): Unit {
  const name = text.trim().replace(/\s+/gu, ' ');
  return (
    units.get(name) ??
    units.get(name.toLowerCase()) ?? { kind: `other: ${name.toLowerCase().replace(/s$/u, '')}`, factor: 1, offset: 0 }
  );
}
