{# The measures that `agg_daily` and `agg_source_daily` share, defined once for runs and for buckets. *Finished* is what has
   an outcome other than `in_progress`: a run without any event has none. Rows of quiet days have no run id. #}

{% macro count_outcomes(outcome, has_error) -%}
    {%- set unsuccessful = outcome ~ " in ('failed', 'stalled', 'partial')" -%}
    count(case when {{ outcome }} = 'in_progress' then 1 end) as in_progress_count,
        count(case when {{ outcome }} = 'succeeded' then 1 end) as succeeded_count,
        count(case when {{ outcome }} in ('failed', 'stalled') then 1 end) as failed_count,
        count(case when {{ outcome }} = 'partial' then 1 end) as partial_count,
        count(case when is_recovered then 1 end) as recovered_count,
        count(case when {{ outcome }} <> 'in_progress' then 1 end) as finished_count,
        -- what fell silent without a word had its error too
        count(case when {{ unsuccessful }} or ({{ outcome }} = 'succeeded' and {{ has_error }}) then 1 end)
            as with_error_count,
        cast(sum(retry_count) as {{ dbt.type_bigint() }}) as retry_count
{%- endmacro %}


{# Of what succeeded: nine quick failures would make a bad day look fast. #}
{% macro percentiles_of_succeeded(outcome, duration) -%}
    {%- set seconds = "case when " ~ outcome ~ " = 'succeeded' then " ~ duration ~ " end" -%}
    {{ percentile(0.5, seconds) }} as p50_total_seconds,
        {{ percentile(0.95, seconds) }} as p95_total_seconds
{%- endmacro %}


{% macro error_rates() -%}
    {{ ratio('failed_count + partial_count', 'finished_count') }} as final_error_rate,
        {{ ratio('with_error_count', 'finished_count') }} as any_error_rate,
        {{ ratio('recovered_count', 'with_error_count') }} as recovery_rate
{%- endmacro %}


{% macro ratio(numerator, denominator) -%}
    cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0)
{%- endmacro %}
