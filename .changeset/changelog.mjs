// How a changeset is written into the changelogs: its own words, in lines as long as elsewhere, without the hash of a commit.
const width = 120;

function wrapped(paragraph) {
  const hasLinesOfItsOwn = /^(?:[-*] |\d+\. |```)/m.test(paragraph);
  if (hasLinesOfItsOwn) return paragraph;
  const lines = [''];
  for (const word of paragraph.replaceAll(/\s+/g, ' ').match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    const line = lines.at(-1);
    if (line !== '' && line.length + 1 + word.length > width - 2) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

const item = (text) => `- ${text.replaceAll(/\n(?=.)/g, '\n  ')}`;

const getReleaseLine = ({ summary }) =>
  item(
    summary
      .trim()
      .split(/\n{2,}/)
      .map(wrapped)
      .join('\n\n'),
  );

const getDependencyReleaseLine = (_, dependencies) =>
  dependencies.length === 0
    ? ''
    : item(
        wrapped(
          `Goes with ${dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`).join(', ')}.`,
        ),
      );

export default { getReleaseLine, getDependencyReleaseLine };
