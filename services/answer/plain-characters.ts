/** Decoration that a model puts around an answer: TeX, Markdown, quotes. */
const command = /\\(?:boxed|text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/gu;

/** In pairs around a text: an asterisk between numbers multiplies. */
const emphasis = /(^|[\s(])(\*{1,3})(?=\S)([^*]*\S)\2(?=$|[\s).,;:!?])/gu;

/** The same text in the characters of ASCII where there are equal ones: full-width forms, digits of any script, dashes as minus. */
export function asciiForms(text: string): string {
  return text
    .replace(/[\uff01-\uff5e]/gu, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[\u2010-\u2015\u2212\ufe63]/gu, '-')
    .replace(/\u066b/gu, '.')
    .replace(/\u066c/gu, ',')
    .replace(/(?!\d)\p{Nd}/gu, (digit) => String(digitOf(digit.codePointAt(0) ?? 0)));
}

/** Digits of a script follow each other from its zero on; where sets of ten stand side by side, so do their zeros. */
function digitOf(code: number): number {
  let zero = code;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return (code - zero) % 10;
}

/** Without TeX commands around it, `$...$`, emphasis, backticks and quotes. */
export function undecorated(text: string): string {
  return text
    .replace(command, '$1')
    .replace(command, '$1')
    .replace(emphasis, '$1$3')
    .replace(/[`"“”]/gu, '')
    .trim()
    .replace(/^\$([^$]*)\$$/u, '$1')
    .trim();
}
