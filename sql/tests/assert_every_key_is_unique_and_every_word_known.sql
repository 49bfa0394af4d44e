-- Joins on the documented keys must not multiply rows. Queries filter by the documented words: a row with another word
-- would be filtered away unseen. A build whose test fails here is not recorded, so the marts that are made whole have
-- their own test: dbt would run this one after the recording if it read them too.
{%- for mart in marts_of_runs() + daily_marts() %}

{{ broken_keys_and_words(mart, is_of_runs=mart in marts_of_runs()) }}
{{ 'union all' if not loop.last }}
{%- endfor %}
