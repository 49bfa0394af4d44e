{# The pattern that classifies a status which the catalogue does not know: `X_started`, `X_complete`, `X_completed`,
   `X_error` and `X_failed` are phases of a stage X; anything else is a stage of its own in an unknown phase. #}

{% macro status_suffixes() -%}
    {{ return({
        '_started': 'started',
        '_complete': 'complete',
        '_completed': 'complete',
        '_error': 'error',
        '_failed': 'error',
    }) }}
{%- endmacro %}


{% macro stage_of(status) -%}
    case
        {%- for suffix in status_suffixes() %}
        when {{ has_suffix(status, suffix) }}
            then substring({{ status }}, 1, length({{ status }}) - {{ suffix | length }})
        {%- endfor %}
        else {{ status }}
    end
{%- endmacro %}


{% macro phase_of(status) -%}
    case
        {%- for suffix, phase in status_suffixes().items() %}
        when {{ has_suffix(status, suffix) }} then '{{ phase }}'
        {%- endfor %}
        else 'unknown'
    end
{%- endmacro %}


{# A suffix alone names no stage. #}
{% macro has_suffix(status, suffix) -%}
    {{ dbt.right(status, suffix | length) }} = '{{ suffix }}' and length({{ status }}) > {{ suffix | length }}
{%- endmacro %}
