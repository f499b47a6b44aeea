-- Profiles describe the whole certificate: subject attributes, common names outside the sans, key usages. An older program
-- does not know these rules: it would sign without them, and drop them with the next edit.

-- +goose Up
UPDATE schema_requirements SET min_program = 2;
