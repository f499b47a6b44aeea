-- Certificates are found by the serial number and the key of their leaves, and those without a leaf by themselves.

-- +goose Up
SET LOCAL statement_timeout = 0; -- the indexes of many leaves take their time
CREATE INDEX leaves_serial ON leaves (serial_number);
CREATE INDEX leaves_spki ON leaves (spki_sha256);
CREATE INDEX certificates_without_leaf ON certificates (created_at, uid) WHERE archived_at IS NULL AND current_serial IS NULL;
