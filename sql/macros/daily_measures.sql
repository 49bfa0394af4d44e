{# The measures that `agg_daily` and `agg_source_daily` share, defined once for runs and for buckets. *Finished* is all
   but `in_progress`, a run without any event and so without an outcome included. Rows of quiet days have no run id. #}

{% macro count_outcomes(outcome) -%}
    count(case when coalesce({{ outcome }}, '') <> 'in_progress' then run_id end) as finished_count,
        count(case when {{ outcome }} = 'in_progress' then 1 end) as in_progress_count,
        count(case when {{ outcome }} = 'succeeded' then 1 end) as succeeded_count,
        count(case when {{ outcome }} in ('failed', 'stalled') then 1 end) as failed_count
{%- endmacro %}


{% macro count_errors_and_retries() -%}
    count(case when is_recovered then 1 end) as recovered_count,
        count(first_error_at) as with_error_count,
        cast(sum(retry_count) as {{ dbt.type_bigint() }}) as retry_count
{%- endmacro %}


{% macro finished_percentiles(outcome) -%}
    {%- set finished_seconds = "case when " ~ outcome ~ " <> 'in_progress' then total_seconds end" -%}
    {{ percentile(0.5, finished_seconds) }} as p50_total_seconds,
        {{ percentile(0.95, finished_seconds) }} as p95_total_seconds
{%- endmacro %}


{% macro error_rates() -%}
    {{ ratio('failed_count', 'finished_count') }} as final_error_rate,
        {{ ratio('with_error_count', 'finished_count') }} as any_error_rate,
        case when finished_count > 0 then {{ ratio('recovered_count', 'with_error_count') }} end as recovery_rate
{%- endmacro %}


{% macro ratio(numerator, denominator) -%}
    cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0)
{%- endmacro %}
