import { createChatRenderer } from '#chat/chat-renderer.ts';
import { readChatTemplate, type ChatTemplate } from '#chat/read-chat-template.ts';
import { errorFrom } from '#platform/errors.ts';
import { speaksInMessages, textOptions } from '#recipe/environment-part.ts';
import { locateInputs } from '#recipe/resolve-recipe.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

/** A first turn and what follows one, as the gateway renders them: what the template refuses of these it refuses of every rollout. */
async function tryTemplate(template: ChatTemplate): Promise<void> {
  await using renderer = createChatRenderer(template, []);
  const asked = [{ role: 'user', content: 'Hello' } as const];
  await renderer.render([{ messages: asked }, { after: asked }]);
}

/** What keeps the model from rendering the messages of the recipe's environment, a sentence each. */
export async function chatProblems(loaded: Pick<LoadedRecipe, 'recipe' | 'file' | 'fetched'>): Promise<string[]> {
  const { recipe } = loaded;
  const { model } = locateInputs(recipe, loaded);
  if (model === undefined || !speaksInMessages(recipe)) return [];
  try {
    const template = await readChatTemplate(model);
    if (template !== undefined) {
      await tryTemplate(template);
      return [];
    }
  } catch (thrown) {
    return [`model.path: ${errorFrom(thrown).message}`];
  }
  const { name } = recipe.environment;
  const inText = Object.entries(textOptions(recipe)).map(
    ([option, value]) => `environment.options.${option}=${JSON.stringify(value)}`,
  );
  const orText = inText.length === 0 ? '' : `, or set ${inText.join(' and ')}`;
  return [
    `model.path: ${model} has no chat template, and environment ${name} speaks in messages; put chat_template.jinja, or a tokenizer_config.json with chat_template, there${orText}`,
  ];
}
