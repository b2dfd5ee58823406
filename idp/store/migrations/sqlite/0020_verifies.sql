-- +goose Up

-- Phones that can ask for a fingerprint or PIN are found by a facet of the list of
-- devices: bit 12, term «#m». What is linked already gets its mark.
UPDATE device_list SET facets = facets | 4096
  WHERE device_id IN (SELECT id FROM devices WHERE uv_key <> x'' AND state = 'active');
INSERT INTO device_terms (term, n) SELECT '#m', n FROM device_list WHERE facets & 4096 <> 0;
