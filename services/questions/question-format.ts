/** How the prepared files of a run's rows are written. */
export const questionFormats = ['musique', 'plain'] as const;
export type QuestionFormat = (typeof questionFormats)[number];

/** The format that the `data` section of a recipe leads to. */
export function questionFormatOf(data: { readonly rows?: unknown }): QuestionFormat {
  return data.rows === undefined ? 'musique' : 'plain';
}
