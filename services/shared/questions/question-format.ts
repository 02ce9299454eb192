/** How the prepared question files of a run are written. */
export const questionFormats = ['musique', 'gradus'] as const;
export type QuestionFormat = (typeof questionFormats)[number];

/** The format that the `data` section of a recipe leads to. */
export function questionFormatOf(data: { readonly rows?: unknown }): QuestionFormat {
  return data.rows === undefined ? 'musique' : 'gradus';
}
